// dtable[entry, c] += scale * the sum of dy[row, c] over the rows with this entry, in their order:
// `starts` and `order` list them, so that no atomic addition is needed.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i >= args.entries * args.width) {
        return;
    }
    let entry = i / args.width;
    let end = indices[args.starts + entry + 1u];
    var sum = 0.0;
    for (var n = indices[args.starts + entry]; n < end; n++) {
        sum += arena[args.dy + indices[args.order + n] * args.width + i % args.width];
    }
    gradients[chunk.gradients + args.table + i] += args.scale * sum;
}
