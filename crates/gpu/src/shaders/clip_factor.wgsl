// The norm of all gradients from their sums of squares, and the factor that clips it, as PyTorch's
// `clip_grad_norm_` has it: a single group.
@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < args.blocks; i += LANES) {
        sum += arena[args.parts + i];
    }
    let norm = sqrt(sum_of_group(lane, sum));
    if (lane == 0u) {
        var factor = 1.0;
        if (args.clips == 1u) {
            let clipped = args.most / (norm + 1e-6);
            if (clipped < 1.0) {
                factor = clipped;
            }
        }
        if (is_nan(norm)) {
            factor = norm;
        }
        arena[args.norm] = norm;
        arena[args.factor] = factor;
    }
}
