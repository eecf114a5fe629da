//! The words of losses, texts and tokens.

use super::{Entry, entry};

pub(super) const ENTRIES: &[Entry] = &[
    entry(
        "token",
        &["tokens"],
        "A token is the unit that a model reads and writes. Here it is one character, or one byte of the text's \
         UTF-8 with `--tokenizer bytes`; larger programs use pieces of words. A model gives every possible next \
         token a probability, and all counts of this program (batches, contexts, tokens per second) are counts of \
         tokens.",
        None,
    ),
    entry(
        "tokenizer",
        &["tokenisation", "tokenization"],
        "The tokenizer turns text into tokens and tokens back into text. `--tokenizer chars` takes the characters \
         that occur in the text, `lines` also makes each line a document of its own, and `bytes` has 256 tokens and \
         can hold any text. A checkpoint carries its tokenizer, and a prompt with a character that it does not know \
         is refused.",
        None,
    ),
    entry(
        "vocabulary",
        &["vocab", "vocab size", "V"],
        "The vocabulary is the set of all tokens, and its size is written V. Tiny Shakespeare has 65 characters, \
         bytes have 256, and GPT-2 has 50,257 pieces of words. A model that knows nothing gives each token the \
         probability 1/V, so that its loss begins near ln V: 4.17 nats for 65 tokens.",
        None,
    ),
    entry(
        "character-level",
        &["char-level", "chars", "characters"],
        "A character-level model reads and writes single characters instead of pieces of words. It needs no \
         tokenizer but a list of characters, so that any text and any script will do, and a loss per character can \
         be compared between texts. Its losses are lower than those of models with larger tokens, because a \
         character is easier to guess than a word: 1 to 2 nats are usual for prose.",
        None,
    ),
    entry(
        "document",
        &["documents", "bos", "separator"],
        "A document is a piece of text that has nothing to do with its neighbours, such as a name in a list of \
         names. `--documents lines` or `--documents separator=TEXT` cuts a text into documents, and a separator \
         token then stands between them. Without it the whole text is one stream, of which batches take windows.",
        None,
    ),
    entry(
        "nats",
        &["nat"],
        "A nat is the unit of information with natural logarithms, and every loss of this program is in nats per \
         token. A loss of L nats means that the right token had the probability exp(-L), as a geometric mean: \
         0 nats is certainty, 0.69 is one chance in two, and ln V is uniform guessing. One nat is 1.44 bits.",
        Some("Shannon 1948"),
    ),
    entry(
        "bits per character",
        &["bpc", "bits per char", "bits", "bits per byte"],
        "Bits per character are nats per character divided by ln 2 = 0.693. `gptlab eval` prints them beside the \
         loss. They compare across tokenizers, because they are counted for each character of the text and not for \
         each token. Two minutes of training on Tiny Shakespeare come to about 2.2 bits.",
        Some("Shannon 1951"),
    ),
    entry(
        "perplexity",
        &["ppl"],
        "Perplexity is exp(loss): the number of equally likely tokens among which a guess would be as hard. It is 1 \
         for certainty and V for uniform guessing; a loss of 1.5 nats is a perplexity of 4.5. `gptlab eval` prints it. \
         It has no unit, and compares only between models with the same tokens.",
        Some("Jelinek et al. 1977"),
    ),
    entry(
        "loss",
        &["training loss", "train loss"],
        "The loss is how surprised the model is by the tokens that really come: the mean of -ln(probability of the \
         right token), in nats per token. Training makes it smaller. It begins near ln V, falls quickly to that of \
         single characters and then of character pairs, and then ever more slowly; `gptlab baselines` shows with \
         what to compare it. The loss of one step belongs to one batch, and so it scatters by some hundredths.",
        Some("Bengio et al. 2003"),
    ),
    entry(
        "validation loss",
        &[
            "val loss",
            "val",
            "validation",
            "held-out loss",
            "test loss",
        ],
        "The validation loss is the loss on text that is kept from training, by default its last tenth \
         (`--val-fraction`). It says how well the model predicts new text of this kind. It is printed as `val`; a \
         value that rises while the training loss falls is over-fitting. During training it is measured on at most \
         `--val-tokens` tokens, always the same ones.",
        None,
    ),
    entry(
        "cross-entropy",
        &["cross entropy loss"],
        "Cross-entropy is the mean of -ln q(token), where the tokens come from the real text and q is the model's \
         probability. It is the loss of every model here, in nats per token. It is the entropy of the text plus \
         what the model's probabilities are wrong by, so that it can never be below the entropy in the long run.",
        Some("Shannon 1948"),
    ),
    entry(
        "entropy",
        &["entropy of the text"],
        "The entropy of a text is the lowest loss that any predictor could have in the long run: what remains \
         unpredictable when everything about the source is known. It is known exactly for the built-in texts, whose \
         grammars this program holds (0.104 nats per character for the stories), and unknown for texts that people \
         wrote. `gptlab baselines --data copy` prints it where it is known.",
        Some("Shannon 1948"),
    ),
    entry(
        "n-gram baseline",
        &[
            "n-gram baselines",
            "n-gram",
            "n-grams",
            "unigram",
            "1-gram",
            "bigram",
            "bigrams",
            "2-gram",
            "trigram",
            "3-gram",
            "uniform guessing",
            "uniform baseline",
            "floor",
            "floors",
        ],
        "An n-gram baseline is the loss of a predictor that is not a model: it knows the n - 1 tokens before the next \
         one, and how often each token followed them in the training text. A 1-gram (unigram) knows only how common \
         each token is, a 2-gram (bigram) knows pairs, and uniform guessing, with a loss of ln V, knows nothing. A \
         model that does not pass the 2-gram baseline has not learned to use attention yet. `gptlab baselines` prints \
         them up to a length (`--up-to`); the 5-gram baseline is 1.67 nats per character on Tiny Shakespeare.",
        Some("Shannon 1951; Witten & Bell 1991"),
    ),
    entry(
        "context",
        &[
            "block size",
            "context length",
            "context window",
            "sequence length",
            "seq len",
            "T",
        ],
        "The context is how many tokens a model sees at most, and `--block-size` sets it: 256 in the small presets, \
         1,024 in GPT-2. A token at the beginning of a window sees few tokens before it, one at the end sees all of \
         them. The work of attention for a sequence grows with the square of the context. Its letter in shapes is T.",
        None,
    ),
    entry(
        "embedding",
        &["embeddings", "token embedding", "wte"],
        "An embedding is a table with one row of numbers for each token, shape [V, width]; reading a token means \
         taking its row. The rows are learned, and tokens that occur alike get similar rows. `--n-embd` sets the \
         width, which is also that of the residual stream.",
        Some("Bengio et al. 2003"),
    ),
    entry(
        "tied embeddings",
        &["tied", "weight tying", "untied", "untied head"],
        "With tied embeddings the table that reads tokens also writes them: the logit of a token is the product of \
         the last vector with the token's own row. This saves V x width parameters, a third of GPT-2's small model \
         but little with 65 characters. `--tied 0` gives the output weights of its own.",
        Some("Press & Wolf 2017"),
    ),
    entry(
        "logit",
        &["logits"],
        "A logit is the score that the model gives a token before the softmax makes probabilities of the scores; a \
         position has V of them. Only differences count: a token whose logit is 1 higher than another's is e = 2.72 \
         times as likely. The shape is [batch, context, V], and the unit is the nat.",
        None,
    ),
    entry(
        "softmax",
        &[],
        "The softmax turns scores into probabilities: exp(score) divided by the sum of exp over all scores. It is \
         used twice: over the vocabulary for the next token, and in every attention head over the tokens that a \
         token may see. It is soft when scores differ by little, and picks one when they differ by tens.",
        Some("Bridle 1990"),
    ),
    entry(
        "listing",
        &["listings", "program"],
        "A listing is the whole forward pass of a model as text, with one line for each operation and the shape of \
         its result. `gptlab inspect --preset gpt2-mini` prints one, and the difference of two listings is exactly \
         what an ablation changes. `--program train` prints what an engine makes of it instead.",
        None,
    ),
];
