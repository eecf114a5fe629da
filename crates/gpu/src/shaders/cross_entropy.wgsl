// The cross-entropy of each row of logits, a group for each row: loss = ln sum e^x - x[target].
// In training, the logits become their gradient.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group);
    if (row >= args.rows) {
        return;
    }
    let first = args.logits + row * args.vocab;
    let target_column = indices[args.targets + row];
    var part = -3.4e38;
    for (var c = lane; c < args.vocab; c += LANES) {
        part = max(part, arena[first + c]);
    }
    let largest = max_of_group(lane, part);
    var sum = 0.0;
    for (var c = lane; c < args.vocab; c += LANES) {
        sum += exp_of(arena[first + c] - largest);
    }
    sum = sum_of_group(lane, sum);
    // The thread that will overwrite the target's logit reads it.
    if (lane == target_column % LANES) {
        arena[args.losses + row] = ln_of(sum) + (largest - arena[first + target_column]);
    }
    if (args.backward == 1u) {
        let factor = chunk.loss_scale / sum;
        for (var c = lane; c < args.vocab; c += LANES) {
            var d = exp_of(arena[first + c] - largest) * factor;
            if (c == target_column) {
                d -= chunk.loss_scale;
            }
            arena[first + c] = d;
        }
    }
}
