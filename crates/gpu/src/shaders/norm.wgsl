// LayerNorm and RMSNorm, a group for each row: y = (x - mean) * rstd * gain + bias, where the mean
// is 0 in RMSNorm. The mean and rstd are kept for the backward pass.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group_number(group);
    if (row >= args.rows) {
        return;
    }
    let x = args.x + row * args.width;
    let y = args.y + row * args.width;
    var mean = 0.0;
    if (args.centred == 1u) {
        var part = 0.0;
        for (var c = lane; c < args.width; c += LANES) {
            part += arena[x + c];
        }
        mean = sum_of_group(lane, part) / f32(args.width);
    }
    var squares = 0.0;
    for (var c = lane; c < args.width; c += LANES) {
        let centred = arena[x + c] - mean;
        squares = fma(centred, centred, squares);
    }
    let rstd = 1.0 / sqrt(sum_of_group(lane, squares) / f32(args.width) + args.eps);
    for (var c = lane; c < args.width; c += LANES) {
        var value = (arena[x + c] - mean) * rstd;
        if (args.has_gain == 1u) {
            value *= weights[args.gain + c];
        }
        if (args.has_bias == 1u) {
            value += weights[args.bias + c];
        }
        arena[y + c] = value;
    }
    if (lane == 0u) {
        arena[args.statistics + 2u * row] = mean;
        arena[args.statistics + 2u * row + 1u] = rstd;
    }
}
