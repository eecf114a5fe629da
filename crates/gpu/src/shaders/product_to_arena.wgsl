fn write(at: u32, column: u32, sum: f32) {
    var value = sum;
    if (args.has_bias == 1u) {
        value += weights[args.bias + column];
    }
    if (args.adds == 1u) {
        arena[at] += value;
    } else {
        arena[at] = value;
    }
}
