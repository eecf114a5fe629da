//! The words of the model's parts.

use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "block",
        &["blocks", "layer", "layers", "n-layer", "depth"],
        "A block is one layer of the model: an attention sublayer and an MLP, each with a norm and a residual \
         connection. `--n-layer` says how many there are: 4 in the small presets, 12 in GPT-2 small. Deeper models \
         can combine what lower blocks found; an induction head needs two blocks.",
        Some("Vaswani et al. 2017"),
    ),
    entry(
        "width",
        &["n-embd", "d model", "hidden size", "embedding dimension"],
        "The width is how many numbers stand for a token between the blocks, and `--n-embd` sets it: 128 in the \
         small presets, 768 in GPT-2 small. Parameters and time grow with its square. The number of heads must \
         divide it.",
        None,
    ),
    entry(
        "attention",
        &["self-attention", "attention weights"],
        "Attention is where a token gets information from the tokens before it: it compares its query with their \
         keys, a softmax makes weights of the scores, and the result is the weighted mean of their values. The \
         weights of a token sum to 1. It is the only part that moves information between tokens, so that a model \
         without it (`--disable-attention`) stays at about the 2-gram baseline.",
        Some("Vaswani et al. 2017"),
    ),
    entry(
        "head",
        &[
            "heads",
            "attention head",
            "attention heads",
            "multi-head attention",
            "n-head",
        ],
        "A head is one attention of several that run side by side, each on its own slice of the width; their results \
         are put together. `--n-head` says how many: 4 of width 32 in the small presets. Different heads can look \
         at different places at once, and `gptlab probe` shows where each one looks.",
        Some("Vaswani et al. 2017; Michel et al. 2019"),
    ),
    entry(
        "query, key, value",
        &[
            "query",
            "key",
            "value",
            "queries",
            "keys",
            "values",
            "qkv",
            "key/query/value",
            "query/key/value",
        ],
        "In attention each token makes three vectors: its query says what it looks for, its key what it offers, and \
         its value what it gives when it is found. The score of a pair is query x key / sqrt(head width), and \
         `--attention-scale one` leaves out the division. Each has the shape [context, head width] in a head.",
        Some("Vaswani et al. 2017"),
    ),
    entry(
        "causal mask",
        &["mask", "causal attention", "causal"],
        "The causal mask lets a token see itself and the tokens before it, and hides those after it. Without it \
         (`--mask full`) the model could read the token that it must predict: its loss falls to nearly 0, and its \
         samples are garbage. `--window` also hides what is far back.",
        Some("Vaswani et al. 2017"),
    ),
    entry(
        "sublayer",
        &["sublayers"],
        "A sublayer is one of the parts of a block that read the residual stream and add to it: the attention and the \
         MLP. It has a norm before it (pre-LN) or after it (post-LN), and a residual connection around it. A block of \
         GPT-2 has two, one after the other; `--order parallel` lets both read the same vector.",
        Some("Vaswani et al. 2017"),
    ),
    entry(
        "residual connection",
        &["residual", "residuals", "skip connection", "shortcut"],
        "A residual connection adds what a sublayer computes to what it read, instead of replacing it: x + f(x). The \
         signal and its gradient can then pass every block unchanged, so that deep models train at all. \
         `--disable-residual` takes it out; in short runs the loss then stays above the 2-gram baseline.",
        Some("He et al. 2016"),
    ),
    entry(
        "residual stream",
        &["stream"],
        "The residual stream is the vector of a token on its way through the model, of shape [context, width]. Every \
         sublayer reads it and adds to it, and at the end the head reads the logits from it. What two parts have to \
         do with each other goes through it, which is why probes look at what each part adds.",
        Some("Elhage et al. 2021"),
    ),
    entry(
        "LayerNorm",
        &[
            "norm",
            "norms",
            "normalisation",
            "normalization",
            "layer normalization",
            "ln",
        ],
        "LayerNorm brings each token's vector to mean 0 and variance 1, and then multiplies by a learned gain and adds \
         a learned bias. It keeps the size of numbers the same whatever the weights do. `--norm layer-norm` selects \
         it and `--norm none` takes every norm of a sublayer out; the model then learns more slowly, or diverges \
         when it is deep.",
        Some("Ba et al. 2016"),
    ),
    entry(
        "RMSNorm",
        &["root mean square norm"],
        "RMSNorm divides each token's vector by its root mean square and multiplies by a learned gain; unlike \
         LayerNorm it subtracts no mean and has no bias. It is cheaper and as good. `--norm rms-norm` selects it, \
         and `rms-norm-no-gain` leaves out the gain.",
        Some("Zhang & Sennrich 2019"),
    ),
    entry(
        "pre-LN",
        &["pre-norm"],
        "Pre-LN puts the norm before each sublayer, inside the residual branch: x + f(norm(x)). The stream itself is \
         then never normalised until the end, and gradients reach every block. It is the default of all presets \
         (`--ln-style pre`), and trains at higher rates than post-LN.",
        Some("Xiong et al. 2020"),
    ),
    entry(
        "post-LN",
        &["post-norm"],
        "Post-LN puts the norm after each addition, on the stream itself: norm(x + f(x)), as in the first \
         transformer. It needs a careful warm-up; at high rates some runs never leave the 1-gram baseline. \
         `--ln-style post` selects it.",
        Some("Vaswani et al. 2017; Xiong et al. 2020"),
    ),
    entry(
        "MLP",
        &["feed-forward", "ffn", "feedforward network"],
        "The MLP of a block processes each token's vector by itself: a linear map to an inner width, an activation, \
         and a linear map back. The inner width is `--mlp-hidden`, usually 4 times the width, and two thirds of a \
         block's parameters are in it. `--mlp none` takes the MLPs out, which costs some hundredths to tenths of a \
         nat.",
        Some("Vaswani et al. 2017; Geva et al. 2021"),
    ),
    entry(
        "activation",
        &[
            "gelu",
            "relu",
            "silu",
            "swish",
            "activation function",
            "nonlinearity",
        ],
        "The activation is the bent function between the two maps of an MLP; without a bend they would be one matrix. \
         ReLU is max(0, x), GELU is a smooth ReLU, and SiLU is x times its sigmoid. `--activation` takes gelu, \
         gelu-tanh, relu, relu-squared or silu; the choice moves the loss by about a hundredth of a nat.",
        Some("Nair & Hinton 2010; Hendrycks & Gimpel 2016"),
    ),
    entry(
        "gated MLP",
        &["gated", "gate", "glu"],
        "A gated MLP has a second map into its inner width, and multiplies the two: `c_proj(act(c_gate(x)) * c_fc(x))`. \
         It has three matrices instead of two, so that its inner width is usually two thirds of a plain MLP's. \
         `--mlp gated` selects it.",
        Some("Shazeer 2020"),
    ),
    entry(
        "SwiGLU",
        &[],
        "SwiGLU is the gated MLP whose activation is SiLU. It is a little better than a plain MLP with GELU at the \
         same number of parameters, and the preset modern has it. `--mlp gated --activation silu` makes one, and \
         `gptlab ablate --switches swiglu` compares it.",
        Some("Shazeer 2020"),
    ),
    entry(
        "position",
        &[
            "positions",
            "position embedding",
            "positional encoding",
            "learned positions",
        ],
        "Attention by itself does not know in which order tokens stand, so that each token must learn its place. \
         `--position learned` adds a learned row for each place, and sinusoidal, rotary and alibi are fixed rules. \
         With `--position none` a causal model can still count what it sees, and learns more slowly.",
        Some("Vaswani et al. 2017; Haviv et al. 2022"),
    ),
    entry(
        "sinusoidal",
        &["sinusoidal positions", "sinusoids"],
        "Sinusoidal positions add fixed sines and cosines of different wavelengths to the embeddings, so that every \
         place has its own pattern and nothing has to be learned. `--position sinusoidal` also multiplies the \
         embeddings by sqrt(width), as in the paper, because sines of size 0.7 would drown them; \
         `sinusoidal-unscaled` shows what happens then.",
        Some("Vaswani et al. 2017"),
    ),
    entry(
        "rotary",
        &["rope", "rotary positions", "rotary position embedding"],
        "Rotary positions turn queries and keys by angles that grow with the place, so that a score depends on the \
         distance between two tokens and not on where they stand. Nothing is added to the stream and nothing is \
         learned. `--position rotary` selects them; they are ahead of learned positions on most texts here.",
        Some("Su et al. 2021"),
    ),
    entry(
        "ALiBi",
        &["attention with linear biases"],
        "ALiBi subtracts from each attention score a penalty that grows with the distance, with another slope in each \
         head. Heads look at near tokens from the first step, and longer texts than those of training are possible. \
         `--position alibi` selects it.",
        Some("Press et al. 2022"),
    ),
    entry(
        "QK-norm",
        &["query-key norm"],
        "QK-norm divides every query and every key by its root mean square before they are compared, so that \
         attention scores are bounded and a softmax cannot saturate. It allows higher learning rates. `--qk-norm` \
         turns it on.",
        Some("Henry et al. 2020; Dehghani et al. 2023"),
    ),
    entry(
        "softcap",
        &["logit soft-capping", "soft-capping"],
        "A soft cap bends attention scores to at most a value: cap x tanh(score / cap). Small scores stay as they \
         are, and large ones cannot saturate the softmax. `--softcap 30` sets the cap, and 0 means none, which is \
         the default.",
        Some("Gemma Team 2024"),
    ),
    entry(
        "grouped-query attention",
        &["gqa", "multi-query attention", "mqa", "n-kv-head"],
        "With grouped-query attention several query heads share one head of keys and values. The loss changes \
         little, and the KV cache of generation becomes smaller by the same factor. `--n-kv-head` says how many such \
         heads there are; it divides `--n-head`, and 1 of them is multi-query attention.",
        Some("Shazeer 2019; Ainslie et al. 2023"),
    ),
    entry(
        "sliding-window attention",
        &["sliding window", "window", "local attention"],
        "With a sliding window a token sees only the last N tokens, itself included, in every layer. Layers on top of \
         each other reach further back than one window. `--window 32` sets N, and 0 lets a token see all tokens \
         before it, which is the default.",
        Some("Beltagy et al. 2020; Jiang et al. 2023"),
    ),
    entry(
        "KV cache",
        &["cache", "kv caching", "key-value cache"],
        "While a text is generated, the keys and values of all earlier tokens are kept, so that each new token costs \
         one row of work instead of a whole pass. This cache holds 2 x layers x context x width numbers for each \
         text. `gptlab generate` uses one always; its texts are those of a program without it.",
        Some("Shazeer 2019"),
    ),
    entry(
        "temperature",
        &["temp"],
        "The temperature divides the logits before a token is drawn. Below 1 the likely tokens become likelier and \
         the text safer, above 1 it becomes wilder, and 0 always takes the likeliest token. `--temperature` sets it, \
         and the default is 0.8.",
        Some("Ackley et al. 1985"),
    ),
    entry(
        "top-k",
        &["top k sampling"],
        "Top-k draws the next token only among the K likeliest ones, so that the many unlikely tokens, which \
         together have a fair chance, are never written. `--top-k` sets K, the default is 40, and 0 allows \
         all.",
        Some("Fan et al. 2018"),
    ),
    entry(
        "top-p",
        &["nucleus sampling", "top p sampling", "nucleus"],
        "Top-p draws the next token among the fewest tokens whose probabilities sum to P, so that there are few \
         candidates where the model is sure and many where it is not. `--top-p 0.9` is usual; without the flag it is \
         off. It applies together with top-k, whichever leaves fewer.",
        Some("Holtzman et al. 2020"),
    ),
    entry(
        "sample",
        &["samples", "sampling", "generate", "generation"],
        "A sample is a text that the model writes: it draws a token from its probabilities, appends it, and repeats. \
         `gptlab generate` writes some (`--samples`, `--max-tokens`), and a training run writes one from time to \
         time. A sample shows what kind of text was learned; the loss says how well.",
        None,
    ),
];
