// Muon's momentum (Nesterov): m = mu m + (1 - mu) g, u = (1 - mu) g + mu m.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let thread = thread_number(group, lane);
    if (thread >= args.count) {
        return;
    }
    let i = args.parameter + thread;
    let gradient = args.rest * (gradients[i] * arena[args.clip]);
    let momentum = fma(args.momentum, first_state[i], gradient);
    arena[args.u + thread] = fma(args.momentum, momentum, gradient);
    first_state[i] = momentum;
}
