using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.World;

namespace Microsoft.ML.VideoAlignment.Tests;

/// <summary>Ids and merges that the recipe's own builder gave for the same word list.</summary>
public sealed class BytePairVocabularyTests
{
    private static readonly BytePairVocabulary s_vocabulary = new(Captions.Words);

    [TestCase("a", 320)]
    [TestCase("red", 528)]
    [TestCase("circle", 555)]
    [TestCase("moving", 597)]
    [TestCase("right", 610)]
    [TestCase("on", 599)]
    [TestCase("dark", 567)]
    [TestCase("background", 546)]
    [TestCase(",", 267)]
    public void WordIds(string word, int id) => Assert.That(s_vocabulary[word], Is.EqualTo(id));

    [Test]
    public void MergesInOrder()
    {
        string[] merges = [.. s_vocabulary.Merges.Select(merge => $"{merge.Left} {merge.Right}")];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(merges, Has.Length.EqualTo(109));
            Assert.That(merges.Take(8), Is.EqualTo(new[] { "g r", "i n", "a r", "c l", "in g</w>", "l l</w>", "v i", "a n" }));
            Assert.That(merges.TakeLast(2), Is.EqualTo(new[] { "vi vid</w>", "y ellow</w>" }));
            Assert.That(s_vocabulary.Ids, Has.Count.EqualTo(623));
            Assert.That(s_vocabulary.Ids[BytePairVocabulary.Start], Is.EqualTo(621));
        }
    }

    [Test]
    public void CaptionsArePaddedWithTheEnd()
    {
        long[] ids = s_vocabulary.Encode("red circle moving right on dark");
        Assert.That(ids, Is.EqualTo(new long[] { 621, 528, 555, 597, 610, 599, 567 }.Concat(Enumerable.Repeat(622L, 13))));
    }

    [Test]
    public void TheLibrarysTokenizerReadsTheWrittenFolder()
    {
        string folder = Directory.CreateTempSubdirectory("moving-shapes-").FullName;
        try
        {
            s_vocabulary.Write(folder);
            ClipTokenizer tokenizer = ClipTokenizer.FromFolder(folder);
            string[] prompts = [.. PromptSplit.Make().Unseen.Select(row => row.Prompt), ""];
            long[][] expected = [.. prompts.Select(s_vocabulary.Encode)];
            Assert.That(prompts.Select(prompt => tokenizer.ToIds(prompt).Select(id => (long)id).ToArray()),
                Is.EqualTo(prompts.Select((prompt, i) => expected[i].Skip(1).Take(prompt.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length).ToArray())));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void UnseenTriplesAreNeverAligned()
    {
        var (train, unseen) = PromptSplit.Make();
        var seen = train.Select(row => (row.Subject.Color, row.Subject.Shape, row.Subject.Motion)).ToHashSet();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(unseen.Count(row => seen.Contains((row.Subject.Color, row.Subject.Shape, row.Subject.Motion))), Is.Zero);
            Assert.That(unseen.Select(row => row.Prompt).Distinct().Count(), Is.GreaterThanOrEqualTo(64));
            Assert.That(unseen.Take(48).Select(row => (row.Subject.Color, row.Subject.Shape, row.Subject.Motion)).Distinct().Count(), Is.EqualTo(48));
        }
    }
}
