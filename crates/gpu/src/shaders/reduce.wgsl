// Sums and maxima over the LANES threads of a group, in a fixed order.
var<workgroup> lanes: array<f32, LANES>;

fn sum_of_group(lane: u32, value: f32) -> f32 {
    workgroupBarrier();
    lanes[lane] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            lanes[lane] += lanes[lane + half];
        }
        workgroupBarrier();
    }
    return lanes[0];
}

fn max_of_group(lane: u32, value: f32) -> f32 {
    workgroupBarrier();
    lanes[lane] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if (lane < half) {
            lanes[lane] = max(lanes[lane], lanes[lane + half]);
        }
        workgroupBarrier();
    }
    return lanes[0];
}
