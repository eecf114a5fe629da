// SGD with momentum as `torch.optim.SGD` computes it, with decoupled weight decay.
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
    let gradient = gradients[i] * arena[args.clip];
    let moved = fma(args.momentum, first_state[i], gradient);
    weights[i] = fma(args.step_size, moved, weights[i] * args.keep);
    first_state[i] = moved;
}
