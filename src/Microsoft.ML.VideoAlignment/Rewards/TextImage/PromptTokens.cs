using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Rewards.TextImage;

/// <summary>From prompts to token ids for the two families of CLIP; a prompt that is too long is cut, its end token stays.</summary>
internal static class PromptTokens
{
    /// <summary>The tokenizer in a CLIP model's folder: (prompts, positions of the text tower) -> ids.</summary>
    /// <param name="folder">The model's folder.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder, or it is not a transformers folder.</exception>
    /// <exception cref="FileNotFoundException">The folder has no tokenizer.</exception>
    public static Func<IReadOnlyList<string>, long, TokenBatch> FromClipFolder(string folder)
    {
        ClipFiles.Require(folder);
        ClipTokenizer tokenizer = ClipTokenizer.FromFolder(folder);
        return (prompts, length) => tokenizer.Encode(prompts, (int)Math.Min(tokenizer.MaxLength, length));
    }

    /// <summary>OpenCLIP's tokenizer: (prompts, the text tower's configuration) -> ids, zeros after the end token.</summary>
    /// <param name="path">bpe_simple_vocab_16e6.txt.gz, or a CLIP tokenizer folder.</param>
    /// <exception cref="FileNotFoundException">There is no vocabulary.</exception>
    public static Func<IReadOnlyList<string>, OpenClipTextConfig, TokenBatch> FromOpenClip(string path)
    {
        ClipTokenizer tokenizer = OpenClipVocabulary.ReadTokenizer(path);
        return (prompts, config) => tokenizer.HighestId < config.VocabSize
            ? tokenizer.Encode(prompts, (int)config.ContextLength).RequireBelow(config.VocabSize, prompts)
            : throw new InvalidDataException(
                $"The tokenizer at {path} has ids up to {tokenizer.HighestId}, the text tower {config.VocabSize} words. Is it this model's?");
    }
}
