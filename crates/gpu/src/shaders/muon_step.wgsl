// The step of Muon's weights: w = keep w + step_size u.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = thread_number(group, lane);
    if (thread < args.count) {
        let i = args.parameter + thread;
        weights[i] = fma(args.step_size, arena[args.u + thread], weights[i] * args.keep);
    }
}
