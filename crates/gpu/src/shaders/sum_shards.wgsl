// gradients[i] += the shards' numbers i, shard after shard. The shards lie behind the gradients.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let i = thread_number(group, lane);
    if (i >= args.count) {
        return;
    }
    var sum = gradients[i];
    for (var shard = args.first; shard < args.end; shard++) {
        sum += gradients[(shard + 1u) * args.count + i];
    }
    gradients[i] = sum;
}
