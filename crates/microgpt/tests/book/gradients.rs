// Chapter 2 of the book shows these examples. A test runs them in a copy of main.rs.

/// Computes the gradients of (a * b + a)², whose values have the places 0 to 4 on the tape.
fn gradients() {
    let a = Value::from(2.0); // 0
    let b = Value::from(-3.0); // 1
    let c = a * b; // 2
    let d = c + a; // 3
    let loss = d * d; // 4
    let grads = loss.backward();
    assert_eq!(loss.data, 16.0);
    assert_eq!(grads, [16.0, -16.0, -8.0, -8.0, 1.0]);
}

/// Computes the gradient of a loss by two logits, of which the first belongs to the right token.
fn gradient_of_a_loss() {
    let logits = vec![Value::from(0.0), Value::from(0.0)];
    let probs = softmax(logits);
    let loss = -probs[0].log();
    let grads = loss.backward();
    assert_eq!([probs[0].data, probs[1].data], [0.5, 0.5]);
    assert_eq!([grads[0], grads[1]], [0.5 - 1.0, 0.5]);
}
