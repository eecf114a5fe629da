// y = f(gate) up.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i < args.count) {
        let gate = nonlinearity(args.f, arena[args.gate + i]).x;
        arena[args.y + i] = gate * arena[args.up + i];
    }
}
