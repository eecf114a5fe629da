// dgate = dy up f'(gate), or dup = dy f(gate); set or added.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i >= args.count) {
        return;
    }
    let f = nonlinearity(args.f, arena[args.gate + i]);
    var d = arena[args.dy + i];
    if (args.of_gate == 1u) {
        d *= arena[args.up + i] * f.y;
    } else {
        d *= f.x;
    }
    if (args.adds == 1u) {
        arena[args.dx + i] += d;
    } else {
        arena[args.dx + i] = d;
    }
}
