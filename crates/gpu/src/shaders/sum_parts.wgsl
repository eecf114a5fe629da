// gradients[i] += the sum of the parts' numbers i, part after part.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i >= args.count) {
        return;
    }
    var sum = 0.0;
    for (var part = 0u; part < args.parts; part++) {
        sum += arena[args.first + part * args.count + i];
    }
    gradients[chunk.gradients + args.parameter + i] += sum;
}
