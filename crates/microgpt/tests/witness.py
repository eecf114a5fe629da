"""The independent witness of these tests: the same GPT in plain Python, an object for every number.

    python3 witness.py TEXT [NAME=VALUE ...]

trains on the file TEXT and prints what `microgpt` must print. NAME is any constant of main.rs, or
DIGITS, the decimals of the printed losses (4). Nothing is shared with main.rs but the arithmetic:
a sum is a chain of two-term sums from 0, a quotient is a product with a power, the order of
accumulation is a depth-first search's, and chance is Python's own. The goldens were written by

    python3 witness.py ../src/names.txt > golden/names.txt
    python3 witness.py texts/scripts.txt N_LAYER=2 N_HEAD=2 BLOCK_SIZE=8 SEED=7 \
        NUM_STEPS=30 > golden/scripts.txt
    python3 witness.py ../src/names.txt N_LAYER=2 N_EMBD=10 N_HEAD=3 BLOCK_SIZE=5 TEMPERATURE=0.7 \
        SEED=18446744073709551615 NUM_STEPS=25 > golden/uneven.txt
    python3 witness.py texts/scripts.txt N_EMBD=6 N_HEAD=1 BLOCK_SIZE=3 TEMPERATURE=1.5 SEED=0 \
        LEARNING_RATE=0.03 BETA1=0.9 BETA2=0.95 EPS_ADAM=1e-6 NUM_STEPS=40 > golden/tuned.txt
"""

import math
import random
import sys

SETTINGS = {
    "N_LAYER": 1, "N_EMBD": 16, "BLOCK_SIZE": 16, "N_HEAD": 4, "LEARNING_RATE": 0.01, "BETA1": 0.85,
    "BETA2": 0.99, "EPS_ADAM": 1e-8, "NUM_STEPS": 1000, "TEMPERATURE": 0.5, "SEED": 42, "DIGITS": 4,
}  # fmt: skip


class Number:
    """A number, the numbers it was made of, and its slope along each of them."""

    __slots__ = ("value", "parents", "slopes", "grad")

    def __init__(self, value, parents=(), slopes=()):
        self.value, self.parents, self.slopes, self.grad = value, parents, slopes, 0.0


def plus(a, b):
    return Number(a.value + b.value, (a, b), (1.0, 1.0))


def times(a, b):
    return Number(a.value * b.value, (a, b), (b.value, a.value))


def power(a, exponent):
    slope = exponent * a.value ** (exponent - 1)
    return Number(a.value**exponent, (a,), (slope,))


def exponential(a):
    return Number(math.exp(a.value), (a,), (math.exp(a.value),))


def logarithm(a):
    return Number(math.log(a.value), (a,), (1.0 / a.value,))


def rectified(a):
    return Number(max(0.0, a.value), (a,), (float(a.value > 0.0),))


def total(numbers):
    running = Number(0.0)
    for number in numbers:
        running = plus(running, number)
    return running


def divided(a, plain):
    return times(a, Number(plain**-1))


def dot(row, vector):
    return total([times(w, x) for w, x in zip(row, vector)])


def apply(matrix, vector):
    return [dot(row, vector) for row in matrix]


def normalized(vector):
    mean = divided(total([times(x, x) for x in vector]), len(vector))
    rsqrt = power(plus(mean, Number(1e-5)), -0.5)
    return [times(x, rsqrt) for x in vector]


def probabilities(scores):
    top = max(score.value for score in scores)
    exponentials = [exponential(plus(score, Number(-top))) for score in scores]
    whole = total(exponentials)
    return [times(e, power(whole, -1)) for e in exponentials]


def backpropagate(root):
    """Leaves d root / d number in every `grad` below root, last met in depth first added."""
    order, met, path = [], {root}, [(root, iter(root.parents))]
    while path:
        number, parents = path[-1]
        fresh = next((p for p in parents if p not in met), None)
        if fresh is None:
            order.append(number)
            path.pop()
        else:
            met.add(fresh)
            path.append((fresh, iter(fresh.parents)))
    root.grad = 1.0
    for number in reversed(order):
        for parent, slope in zip(number.parents, number.slopes):
            parent.grad += slope * number.grad


class Model:
    def __init__(self, settings, vocab_size):
        self.n_head, self.context = settings["N_HEAD"], settings["BLOCK_SIZE"]
        width = settings["N_EMBD"]
        self.head_width = width // self.n_head
        self.numbers = []
        self.tokens = self.matrix(vocab_size, width)
        self.places = self.matrix(self.context, width)
        self.head = self.matrix(vocab_size, width)
        shapes = [(width, width)] * 4 + [(4 * width, width), (width, 4 * width)]
        self.layers = [[self.matrix(*s) for s in shapes] for _ in range(settings["N_LAYER"])]

    def matrix(self, rows, columns):
        fresh = [[Number(random.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]
        self.numbers += [number for row in fresh for number in row]
        return fresh

    def forget(self):
        self.memory = [([], []) for _ in self.layers]

    def attend(self, query, keys, values):
        mixed = []
        for start in range(0, self.n_head * self.head_width, self.head_width):
            part = slice(start, start + self.head_width)
            scores = [dot(query[part], key[part]) for key in keys]
            weights = probabilities([divided(s, self.head_width**0.5) for s in scores])
            columns = zip(*[value[part] for value in values])
            mixed += [dot(weights, column) for column in columns]
        return mixed

    def scores(self, token, place):
        """What the model thinks of every token as the next, having seen those before."""
        x = normalized([plus(a, b) for a, b in zip(self.tokens[token], self.places[place])])
        for (wq, wk, wv, wo, fc1, fc2), (keys, values) in zip(self.layers, self.memory):
            y = normalized(x)
            query = apply(wq, y)
            keys.append(apply(wk, y))
            values.append(apply(wv, y))
            y = apply(wo, self.attend(query, keys, values))
            x = [plus(a, b) for a, b in zip(y, x)]
            y = [rectified(a) for a in apply(fc1, normalized(x))]
            x = [plus(a, b) for a, b in zip(apply(fc2, y), x)]
        return apply(self.head, x)


def train(model, documents, settings):
    steps, digits = settings["NUM_STEPS"], settings["DIGITS"]
    beta1, beta2 = settings["BETA1"], settings["BETA2"]
    moments = [[0.0, 0.0] for _ in model.numbers]
    for step in range(steps):
        tokens = documents[step % len(documents)]
        length = min(model.context, len(tokens) - 1)
        model.forget()
        losses = []
        for place in range(length):
            likely = probabilities(model.scores(tokens[place], place))
            losses.append(times(logarithm(likely[tokens[place + 1]]), Number(-1.0)))
        loss = times(total(losses), Number(1 / length))
        backpropagate(loss)
        rate = settings["LEARNING_RATE"] * (1 - step / steps)
        for number, moment in zip(model.numbers, moments):
            moment[0] = beta1 * moment[0] + (1 - beta1) * number.grad
            moment[1] = beta2 * moment[1] + (1 - beta2) * number.grad**2
            mean = moment[0] / (1 - beta1 ** (step + 1))
            square = moment[1] / (1 - beta2 ** (step + 1))
            number.value -= rate * mean / (square**0.5 + settings["EPS_ADAM"])
            number.grad = 0.0
        print(f"step {step + 1:4d} / {steps:4d} | loss {loss.value:.{digits}f}")


def dream(model, end, temperature):
    model.forget()
    tokens = [end]
    while len(tokens) <= model.context:
        scores = model.scores(tokens[-1], len(tokens) - 1)
        likely = probabilities([divided(s, temperature) for s in scores])
        (token,) = random.choices(range(end + 1), weights=[p.value for p in likely])
        if token == end:
            break
        tokens.append(token)
    return tokens[1:]


def main(path, *changes):
    settings = dict(SETTINGS)
    for name, value in (change.split("=") for change in changes):
        settings[name] = type(settings[name])(value)
    sys.stdout.reconfigure(encoding="utf-8")
    random.seed(settings["SEED"])
    with open(path, encoding="utf-8") as text:
        lines = [line.strip() for line in text]
    lines = [line for line in lines if line]
    random.shuffle(lines)
    alphabet = sorted(set("".join(lines)))
    end = len(alphabet)
    model = Model(settings, end + 1)
    print(f"num docs: {len(lines)}\nvocab size: {end + 1}\nnum params: {len(model.numbers)}")
    documents = [[end, *map(alphabet.index, line), end] for line in lines]
    train(model, documents, settings)
    print("\n--- inference (new, hallucinated names) ---")
    for number in range(20):
        line = dream(model, end, settings["TEMPERATURE"])
        print(f"sample {number + 1:2d}: {''.join(alphabet[token] for token in line)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
