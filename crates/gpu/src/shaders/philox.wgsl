// Philox4x32-10 (Salmon et al. 2011), and the masks that `gptlab_kernels::dropout` defines by it.

// The high and the low word of a product of two words: WGSL has no wide multiplication.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let cross = (a & 0xffffu) * (b >> 16u);
    let other = (a >> 16u) * (b & 0xffffu);
    let middle = (low >> 16u) + (cross & 0xffffu) + (other & 0xffffu);
    let high = (a >> 16u) * (b >> 16u) + (cross >> 16u) + (other >> 16u) + (middle >> 16u);
    return vec2<u32>(high, a * b);
}

fn philox(start: vec4<u32>, start_key: vec2<u32>) -> vec4<u32> {
    var counter = start;
    var key = start_key;
    for (var round = 0u; round < 10u; round++) {
        let first = wide_product(0xd2511f53u, counter.x);
        let second = wide_product(0xcd9e8d57u, counter.z);
        counter = vec4<u32>(
            second.x ^ counter.y ^ key.x,
            second.y,
            first.x ^ counter.w ^ key.y,
            first.y,
        );
        key += vec2<u32>(0x9e3779b9u, 0xbb67ae85u);
    }
    return counter;
}

// The four random words whose halves decide about eight elements of a mask's row: those of a chunk
// of 128 columns that share a lane of 16. A row has `chunks` chunks.
fn mask_words(row: u32, chunks: u32, number: u32, lane: u32, purpose: u32) -> vec4<u32> {
    let start = wide_product(row, chunks);
    let low = start.y + number;
    let high = start.x + select(0u, 1u, low < start.y);
    let counter = vec4<u32>(
        (low << 4u) | lane,
        (high << 4u) | (low >> 28u),
        chunk.noise_step,
        purpose,
    );
    return philox(counter, vec2<u32>(chunk.key_low, chunk.key_high));
}

// The sixteen random bits of an element of a mask.
fn mask_bits(row: u32, chunks: u32, column: u32, purpose: u32) -> u32 {
    let words = mask_words(row, chunks, column / 128u, column % 16u, purpose);
    return (words[(column / 16u) % 4u] >> (16u * ((column / 64u) % 2u))) & 0xffffu;
}
