// dx = dy f'(x), or dx += dy f'(x).
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i >= args.count) {
        return;
    }
    let d = arena[args.dy + i] * nonlinearity(args.f, arena[args.x + i]).y;
    if (args.adds == 1u) {
        arena[args.dx + i] += d;
    } else {
        arena[args.dx + i] = d;
    }
}
