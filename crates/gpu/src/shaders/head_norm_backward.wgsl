// dx = rstd * (dy - y * mean(dy * y)) of each of the first heads of a row, a thread for each; the
// rest of dy passes through.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    let slices = args.width / args.head_dim;
    if (i >= args.rows * slices) {
        return;
    }
    let first = i * args.head_dim;
    let head = i % slices;
    var rstd = 1.0;
    var mean = 0.0;
    if (head < args.heads) {
        for (var c = 0u; c < args.head_dim; c++) {
            mean = fma(arena[args.dy + first + c], arena[args.y + first + c], mean);
        }
        mean /= f32(args.head_dim);
        rstd = arena[args.statistics + (i / slices) * args.heads + head];
    }
    for (var c = 0u; c < args.head_dim; c++) {
        var d = arena[args.dy + first + c];
        if (head < args.heads) {
            d = rstd * (d - arena[args.y + first + c] * mean);
        }
        if (args.adds == 1u) {
            arena[args.dx + first + c] += d;
        } else {
            arena[args.dx + first + c] = d;
        }
    }
}
