namespace Microsoft.ML.VideoAlignment.MovingShapes.World;

/// <summary>
/// Prompts for alignment and unseen prompts. A quarter of the 192 color x shape x motion triples is unseen: no prompt for alignment names one of them.
/// Unseen triples are spread so that every color, shape and motion is among them equally often, in every 48 rows.
/// </summary>
internal static class PromptSplit
{
    private const int Seed = 20240711;

    /// <summary>Whether alignment never sees this triple: one shape of four for each color and motion.</summary>
    public static bool IsUnseen(int color, Shape shape, Motion motion) => ((int)shape + color + (int)motion) % 4 == 0;

    /// <summary>Rows: each triple with all three backgrounds, sentences in turn; shuffled, unseen ones so that the first 48 are different triples.</summary>
    public static (IReadOnlyList<(string Prompt, Subject Subject)> Train, IReadOnlyList<(string Prompt, Subject Subject)> Unseen) Make()
    {
        var random = new Random(Seed);
        var train = new List<(string, Subject)>();
        var unseen = new List<(string, Subject)>();
        for (int round = 0; round < Attributes.Backgrounds.Count; round++)
        {
            var triples = new List<(int Color, Shape Shape, Motion Motion)>();
            for (int triple = 0; triple < 192; triple++)
            {
                triples.Add((triple / 24, (Shape)(triple / 6 % 4), (Motion)(triple % 6)));
            }

            (int Color, Shape Shape, Motion Motion)[] order = [.. triples];
            random.Shuffle(order);
            foreach ((int color, Shape shape, Motion motion) in order)
            {
                var subject = new Subject(color, shape, motion, (color + (int)shape + (int)motion + round) % Attributes.Backgrounds.Count);
                (IsUnseen(color, shape, motion) ? unseen : train).Add((Captions.Of(subject, random.Next(Captions.Templates.Count)), subject));
            }
        }

        return (train, unseen);
    }

    /// <summary>Writes prompts/train.tsv and prompts/unseen.tsv with a header.</summary>
    public static void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        (IReadOnlyList<(string, Subject)> train, IReadOnlyList<(string, Subject)> unseen) = Make();
        Write(Path.Combine(folder, "train.tsv"), train);
        Write(Path.Combine(folder, "unseen.tsv"), unseen);
    }

    private static void Write(string path, IReadOnlyList<(string Prompt, Subject Subject)> rows) =>
        File.WriteAllText(path, "Prompt\tColour\tShape\tMotion\tBackground\n" + string.Concat(rows.Select(row =>
        $"{row.Prompt}\t{Attributes.Colors[row.Subject.Color]}\t{Attributes.Shapes[(int)row.Subject.Shape]}\t"
            + $"{Attributes.Motions[(int)row.Subject.Motion]}\t{Attributes.Backgrounds[row.Subject.Background]}\n")));
}
