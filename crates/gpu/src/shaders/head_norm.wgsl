// Divides each of the first heads of a row by its root mean square, a thread for each head; the
// rest of the row is copied if it lies elsewhere.
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
    if (head < args.heads) {
        var squares = 0.0;
        for (var c = 0u; c < args.head_dim; c++) {
            let x = arena[args.x + first + c];
            squares = fma(x, x, squares);
        }
        rstd = 1.0 / sqrt(squares / f32(args.head_dim) + args.eps);
        arena[args.statistics + (i / slices) * args.heads + head] = rstd;
    }
    for (var c = 0u; c < args.head_dim; c++) {
        arena[args.y + first + c] = arena[args.x + first + c] * rstd;
    }
}
