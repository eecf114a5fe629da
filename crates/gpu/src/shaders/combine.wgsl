// x = a x + b y.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i < args.count) {
        arena[args.x + i] = fma(args.b, arena[args.y + i], args.a * arena[args.x + i]);
    }
}
