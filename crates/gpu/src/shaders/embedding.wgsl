// y[row, c] = scale * table[index of the row, c], from a parameter or a constant.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i >= args.rows * args.width) {
        return;
    }
    let at = args.table + indices[args.index + i / args.width] * args.width + i % args.width;
    if (args.is_constant == 1u) {
        arena[args.y + i] = args.scale * constants[at];
    } else {
        arena[args.y + i] = args.scale * weights[at];
    }
}
