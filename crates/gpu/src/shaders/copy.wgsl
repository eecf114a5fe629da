// y = x, or y += x.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i >= args.count) {
        return;
    }
    if (args.adds == 1u) {
        arena[args.y + i] += arena[args.x + i];
    } else {
        arena[args.y + i] = arena[args.x + i];
    }
}
