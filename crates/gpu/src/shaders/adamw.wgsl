// AdamW as `torch.optim.AdamW` computes it, with the clip factor on the gradient.
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
    let first = fma(args.beta1, first_state[i], args.rest1 * gradient);
    let second = fma(args.beta2, second_state[i], args.rest2 * gradient * gradient);
    let denominator = fma(sqrt(second), args.per_root, args.eps);
    weights[i] = fma(args.step_size, first / denominator, weights[i] * args.keep);
    first_state[i] = first;
    second_state[i] = second;
}
