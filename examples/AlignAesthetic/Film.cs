using Microsoft.ML.Data;

namespace AlignAesthetic;

/// <summary>A row of the prompt tables; more columns may follow.</summary>
internal sealed class PromptRow
{
    [LoadColumn(0)]
    public string Prompt { get; set; } = "";
}

/// <summary>One unseen prompt: the base model's film and the aligned model's on the same seed, with their scores.</summary>
internal sealed class Film
{
    public string Prompt { get; set; } = "";

    [ColumnName(Columns.Base)]
    public float[] Before { get; set; } = [];

    [ColumnName(Columns.Aligned)]
    public float[] After { get; set; } = [];

    public float AestheticBefore { get; set; }

    public float AestheticAfter { get; set; }

    public float TrueBefore { get; set; }

    public float TrueAfter { get; set; }

    public float TextBefore { get; set; }

    public float TextAfter { get; set; }
}

/// <summary>Names of the video columns.</summary>
internal static class Columns
{
    public const string Base = "BaseVideo";
    public const string Aligned = "Video";
}
