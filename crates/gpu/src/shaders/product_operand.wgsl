// An operand of a product, rounded where the run's precision is bf16.
fn operand(x: f32) -> f32 {
    if (args.bf16 == 1u) {
        return to_bf16(x);
    }
    return x;
}

