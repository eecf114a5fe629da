// The sum of squares of each block of numbers of SOURCE, a group for each block.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let block = group_number(group);
    if (block >= args.blocks) {
        return;
    }
    let end = min((block + 1u) * args.block, args.count);
    var sum = 0.0;
    for (var i = block * args.block + lane; i < end; i += LANES) {
        let x = SOURCE[args.x + i];
        sum = fma(x, x, sum);
    }
    sum = sum_of_group(lane, sum);
    if (lane == 0u) {
        arena[args.parts + block] = sum;
    }
}
