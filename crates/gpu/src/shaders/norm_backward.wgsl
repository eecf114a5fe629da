// The gradient of a norm's input, a group for each row. With g = dy * gain and n the normed input,
// dx = rstd * (g - mean(g) - n * mean(g * n)); RMSNorm has no mean(g).
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group);
    if (row >= args.rows) {
        return;
    }
    let first = row * args.width;
    let mean = arena[args.statistics + 2u * row];
    let rstd = arena[args.statistics + 2u * row + 1u];
    var sum = 0.0;
    var product = 0.0;
    for (var c = lane; c < args.width; c += LANES) {
        let g = gained(first, c);
        sum += g;
        product = fma(g, (arena[args.x + first + c] - mean) * rstd, product);
    }
    let mean_product = sum_of_group(lane, product) / f32(args.width);
    var mean_g = sum_of_group(lane, sum) / f32(args.width);
    if (args.centred == 0u) {
        mean_g = 0.0;
    }
    for (var c = lane; c < args.width; c += LANES) {
        let normed = (arena[args.x + first + c] - mean) * rstd;
        let d = rstd * (gained(first, c) - mean_g - normed * mean_product);
        if (args.adds == 1u) {
            arena[args.dx + first + c] += d;
        } else {
            arena[args.dx + first + c] = d;
        }
    }
}

fn gained(first: u32, c: u32) -> f32 {
    let dy = arena[args.dy + first + c];
    if (args.has_gain == 1u) {
        return dy * weights[args.gain + c];
    }
    return dy;
}
