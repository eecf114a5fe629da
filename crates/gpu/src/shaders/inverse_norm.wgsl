// 1 / max(norm, eps) of a matrix from its sums of squares: a single group.
@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < args.blocks; i += LANES) {
        sum += arena[args.parts + i];
    }
    let norm = sqrt(sum_of_group(lane, sum));
    if (lane == 0u) {
        arena[args.factor] = 1.0 / select(args.eps, norm, norm > args.eps || is_nan(norm));
    }
}
