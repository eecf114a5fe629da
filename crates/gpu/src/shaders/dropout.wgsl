// y = mask x, or y += mask x; the same for gradients. A thread makes one lane of a chunk of 128
// columns: the eight elements whose random bits come from one counter.
@compute @workgroup_size(256)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) thread_lane: u32,
) {
    let thread = thread_number(group, thread_lane);
    let chunks = (args.width + 127u) / 128u;
    let row = thread / (chunks * 16u);
    if (row >= args.rows) {
        return;
    }
    let number = (thread / 16u) % chunks;
    let lane = thread % 16u;
    let words = mask_words(chunk.first_row + row, chunks, number, lane, args.purpose);
    for (var e = 0u; e < 8u; e++) {
        let column = number * 128u + e * 16u + lane;
        if (column < args.width) {
            let bits = (words[e % 4u] >> (16u * (e / 4u))) & 0xffffu;
            let at = row * args.width + column;
            var value = 0.0;
            if (bits >= args.threshold) {
                value = arena[args.x + at] * args.scale;
            }
            if (args.adds == 1u) {
                arena[args.y + at] += value;
            } else {
                arena[args.y + at] = value;
            }
        }
    }
}
