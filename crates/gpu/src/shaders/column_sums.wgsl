// Sums over rows, of each column, block of rows by block: of dy (a bias), or of dy times the normed
// input (a gain). `sum_parts` adds up the blocks.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let column = group.x * 64u + lane;
    if (column >= args.width) {
        return;
    }
    let end = min((group.y + 1u) * args.block, args.rows);
    var sum = 0.0;
    for (var row = group.y * args.block; row < end; row++) {
        let dy = arena[args.dy + row * args.width + column];
        if (args.of_normed == 1u) {
            let mean = arena[args.statistics + 2u * row];
            let rstd = arena[args.statistics + 2u * row + 1u];
            let normed = (arena[args.x + row * args.width + column] - mean) * rstd;
            sum = fma(dy, normed, sum);
        } else {
            sum += dy;
        }
    }
    arena[args.parts + group.y * args.width + column] = sum;
}
