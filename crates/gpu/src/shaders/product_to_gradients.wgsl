fn write(at: u32, column: u32, sum: f32) {
    gradients[chunk.gradients + at] += sum;
}
