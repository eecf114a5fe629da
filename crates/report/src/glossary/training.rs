//! The words of training.

use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "step",
        &["steps", "iteration", "iterations"],
        "A step reads one batch, computes the loss and its gradient, and changes every weight a little. `--steps` \
         says how many there are: some hundreds show what a part does, some thousands train a small model well. A \
         step reads batch size x context tokens.",
        None,
    ),
    entry(
        "batch",
        &["batch size", "B", "micro-batch"],
        "A batch is the set of sequences that one step reads, and `--batch-size` says how many: 32 sequences of 256 \
         tokens are 8,192 predictions. A larger batch has a less noisy gradient, and a step takes longer. \
         `--micro-batch` computes the same batch in pieces, which takes less memory and changes no number.",
        None,
    ),
    entry(
        "epoch",
        &["epochs", "pass", "passes"],
        "An epoch is one pass over the training text. Training here is counted in steps, and batches take windows at \
         random places, so that a pass is only a quantity: steps x batch size x context / tokens of the text. Below \
         one pass nothing is seen twice. A large model memorises a text in few passes and a small one in many, and the \
         chosen recipe adds dropout before that.",
        None,
    ),
    entry(
        "gradient",
        &["gradients", "backpropagation", "backward"],
        "The gradient says for every weight how the loss changes when the weight changes by a little. A step moves \
         the weights against it. It has the shape of the weights, and is computed by the backward pass, which costs \
         about twice the forward pass.",
        Some("Rumelhart et al. 1986"),
    ),
    entry(
        "tape",
        &["autograd", "automatic differentiation", "reverse mode"],
        "A tape is the list of all operations of a forward pass, in order, with what each of them read. The backward \
         pass goes through it from the end, and gives every number its gradient by the chain rule; this is called \
         autograd, or automatic differentiation in reverse mode. `gptlab micro` has a tape of single numbers, and the \
         fast engine a list of operations on matrices.",
        Some("Linnainmaa 1976"),
    ),
    entry(
        "local gradient",
        &["local gradients", "local derivative", "chain rule"],
        "A local gradient says how the result of one operation changes with one of its inputs: b for the input a of \
         a x b, and 1 for both inputs of a + b. The chain rule multiplies it by the gradient of the result, and adds \
         up the products wherever the input was read.",
        Some("Rumelhart et al. 1986"),
    ),
    entry(
        "gradient norm",
        &["grad norm"],
        "The gradient norm is the length (L2) of the gradient of all weights together, before it is clipped; every \
         logged line has it as `grad_norm`. It is often above 1 at first and then 0.2 to 1. A sudden rise by a \
         factor of a hundred is a spike, and a value that is not finite stops the run.",
        Some("Pascanu et al. 2013"),
    ),
    entry(
        "gradient clipping",
        &["clipping", "grad clip", "clip"],
        "Clipping scales the whole gradient down when its norm is above a limit, so that one bad batch cannot throw \
         the weights far. The direction stays as it is. `--grad-clip` is the limit, 1 in most presets, and 0 means \
         none; a run that is clipped at nearly every step has too low a limit or too high a learning rate.",
        Some("Pascanu et al. 2013"),
    ),
    entry(
        "learning rate",
        &["lr", "rate"],
        "The learning rate is how far one step moves the weights, and the setting that matters most. `--lr` is its \
         highest value: 3e-4 to 3e-3 for AdamW on models of this size, several times as much for Muon. Too low a rate \
         learns slowly, and too high a one makes the loss jump or diverge; `gptlab sweep` finds the best.",
        Some("Bengio 2012"),
    ),
    entry(
        "warm-up",
        &["warm-up steps"],
        "During the warm-up the learning rate rises to its highest value over the first steps, because the \
         optimiser's averages are guesses at first. `--warmup` says over how many steps, 100 in most presets. \
         Without it a high rate can throw the weights far in the first steps.",
        Some("Goyal et al. 2017; Liu et al. 2020"),
    ),
    entry(
        "schedule",
        &[
            "learning-rate schedule",
            "lr schedule",
            "cosine",
            "cosine schedule",
            "linear",
            "linear schedule",
            "decay",
        ],
        "The schedule is the learning rate as a function of the step: it rises in the warm-up, and then falls. \
         `--lr-shape cosine` follows half a cosine wave, `linear` a straight line, and `constant` does not fall; \
         `--min-lr` is the rate at the end. Much of the loss comes off while the rate falls, so a run must know its \
         number of steps from the start.",
        Some("Loshchilov & Hutter 2017"),
    ),
    entry(
        "optimiser",
        &["optimizer", "sgd", "gradient descent"],
        "The optimiser turns gradients into changes of the weights. `--optimizer adamw` is the usual one, `muon` is \
         ahead of it on most texts here, and `sgd` is plain gradient descent with momentum, which trains \
         transformers badly. It keeps one or two numbers for each weight, which a checkpoint holds too.",
        Some("Robbins & Monro 1951"),
    ),
    entry(
        "AdamW",
        &["adam", "beta1", "beta2", "betas", "eps"],
        "AdamW gives every weight a step of its own size: a running mean of its gradient (`--beta1`, 0.9) divided by \
         the root of a running mean of the square (`--beta2`, 0.95 to 0.999). A weight moves by at most about the \
         learning rate in a step. Weight decay is applied beside it and not through the gradient, which is what the \
         W stands for. `--eps` keeps the division finite.",
        Some("Kingma & Ba 2015; Loshchilov & Hutter 2019"),
    ),
    entry(
        "momentum",
        &["moment", "moments"],
        "Momentum is a running mean of the gradients of past steps, which the step uses instead of the last gradient \
         alone. `--beta1` is the share of it that is kept from step to step: 0.9 averages over about ten steps. It \
         smooths the noise of batches, and speeds movement in directions that stay the same.",
        Some("Polyak 1964"),
    ),
    entry(
        "Muon",
        &["orthogonal updates", "newton-schulz"],
        "Muon replaces the step of a matrix by the nearest orthogonal one, so that rare directions move as far as \
         common ones. It is for the matrices inside the blocks; embeddings, gains and biases are trained by AdamW. \
         `--optimizer muon` selects it, and it is the default where the program chooses the recipe. Its best \
         learning rate is several times AdamW's.",
        Some("Jordan 2024; Liu et al. 2025"),
    ),
    entry(
        "weight decay",
        &["decoupled weight decay", "l2 regularization"],
        "Weight decay shrinks every weight by a small share in each step: learning rate x `--weight-decay`, which is \
         0.1 in most presets. It keeps weights from growing without use. `--decayed matrices` spares gains and \
         biases. Its effect on short runs is small.",
        Some("Krogh & Hertz 1991; Loshchilov & Hutter 2019"),
    ),
    entry(
        "dropout",
        &[],
        "Dropout sets each number in some places to 0 with a probability p while training, and scales the others up \
         by 1 / (1 - p). It keeps a model from memorising a text that it reads often, and slows learning otherwise. \
         `--dropout` is p: 0 where a text is long for the model, 0.1 to 0.2 where the model is large or reads a short \
         text often.",
        Some("Srivastava et al. 2014"),
    ),
    entry(
        "over-fitting",
        &[
            "overfit",
            "overfitted",
            "memorise",
            "memorising",
            "memorization",
            "memorisation",
        ],
        "A model over-fits when it learns its training text by heart: the training loss goes on falling, and the \
         validation loss rises. The remedies are more text, fewer steps, a smaller model or more `--dropout`. \
         `gptlab doctor RUN` names it once the validation loss ends 0.02 nats above its lowest value, and \
         `gptlab probe` shows the longest passage that was copied.",
        None,
    ),
    entry(
        "regime",
        &[
            "training regime",
            "tokens a parameter",
            "tokens per parameter",
        ],
        "The regime of a training says how much text the model has seen for its size: the passes over the text, the \
         tokens a parameter, and whether it is under-trained or over-fits. What helps in one regime can hurt in \
         another: dropout and small models win where a text is read often, and large models where it is long. A \
         conclusion holds for its regime, so `gptlab ablate` states it. About 20 tokens a parameter use a given \
         amount of computation best.",
        Some("Hoffmann et al. 2022"),
    ),
    entry(
        "under-trained",
        &["under-training", "too short", "under-fitting", "underfit"],
        "A run is under-trained when it ends while its loss still falls steeply. About 20 tokens for each parameter \
         are called compute-optimal: 0.8 million parameters want 16 million tokens, which is 2,000 steps of 8,192. \
         A conclusion from a shorter run holds for short runs; `gptlab ablate` says \"too short to tell\" where the \
         baseline has not passed the 2-gram baseline, the loss of counting pairs of letters.",
        Some("Hoffmann et al. 2022"),
    ),
    entry(
        "seed",
        &["seeds", "random seed"],
        "The seed is the number from which all randomness of a run is made: first weights, batches, dropout, \
         samples. The same seed gives the same run to the bit, on any number of threads. `--seed` sets it, and \
         `gptlab ablate` trains every variant with `--seeds` of them, three by default, to see how far chance alone \
         moves a loss.",
        None,
    ),
    entry(
        "diverge",
        &[
            "divergence",
            "diverged",
            "nan",
            "instability",
            "loss spike",
            "exploding gradients",
        ],
        "A run diverges when its loss rises instead of falling, up to numbers that are not finite. The usual cause is \
         too high a learning rate, or a model without norms or with unbounded attention scores. A run here stops at \
         the first loss or gradient that is not finite, says at which step, and keeps its earlier checkpoints. Try a \
         quarter of the `--lr`, or a longer `--warmup`.",
        Some("Wortsman et al. 2023"),
    ),
    entry(
        "scaling law",
        &["scaling laws", "power law"],
        "A scaling law says how the loss falls with the size of the model: loss = E + a x parameters^-b, a straight \
         line on logarithmic axes above E, the irreducible loss. `gptlab sweep` trains several sizes, each at its best \
         learning rate, and fits the law with an interval for its exponent b. Three sizes are needed for a line, and \
         four for E.",
        Some("Kaplan et al. 2020; Hoffmann et al. 2022"),
    ),
    entry(
        "checkpoint",
        &["checkpoints", "model file"],
        "A checkpoint is a file with everything that a run needs to go on: weights, the optimiser's numbers, step, \
         settings and tokenizer. A run saves one every minute and keeps the newest three (`--keep-checkpoints`); \
         `--save` writes one more at the end. A run that continues from a checkpoint (`--resume`) computes the same \
         bits as one that was never stopped.",
        None,
    ),
    entry(
        "safetensors",
        &["safetensor"],
        "Safetensors is the file format of checkpoints: a header of JSON with names, types and shapes, and then the \
         numbers. Unlike a Python pickle it can hold no program. PyTorch reads it with `safetensors.torch.load_file`, \
         and names and shapes are those of PyTorch's modules.",
        None,
    ),
    entry(
        "bf16",
        &["bfloat16", "precision", "f32", "mixed precision"],
        "bf16 is a number of 16 bits with the range of f32 and 8 bits of precision, about two or three decimal \
         digits. With `--precision bf16` only the operands of matrix products are rounded to it; weights and sums \
         stay f32. It is faster where the processor multiplies bf16 faster than f32 (AMD's Zen 4 does, Intel's \
         Sapphire Rapids by its vector instructions does not) and computes the same numbers on all processors (on GPUs, \
         where attention rounds elsewhere, nearly the same); over 2,000 \
         steps losses stayed within 0.0001 nats of f32's, where seeds are 0.001 to 0.02 apart.",
        Some("Kalamkar et al. 2019"),
    ),
    entry(
        "parameter",
        &["parameters", "weight", "weights"],
        "A parameter is one number that training changes. Their count is the usual size of a model: 0.8 million in \
         the small presets, 124 million in GPT-2 small. A block has about 12 x width^2 of them, and an embedding has \
         V x width. `gptlab inspect` prints every tensor of them with its shape.",
        None,
    ),
];
