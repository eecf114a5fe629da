// y = a + b, which may be one buffer.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i < args.count) {
        arena[args.y + i] = arena[args.a + i] + arena[args.b + i];
    }
}
