// y = f(x).
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i < args.count) {
        arena[args.y + i] = nonlinearity(args.f, arena[args.x + i]).x;
    }
}
