using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Writes the prompts and the tokenizer; nothing is trained.</summary>
internal static class WordsStage
{
    public const string Name = "words";

    public static BytePairVocabulary Vocabulary { get; } = new(Captions.Words);

    public static void Run(Workshop shop)
    {
        PromptSplit.Write(Path.Combine(shop.Ship, "prompts"));
        Vocabulary.Write(Path.Combine(shop.Ship, "text-to-video", "tokenizer"));
        Vocabulary.Write(Path.Combine(shop.Ship, "clip"));
    }
}
