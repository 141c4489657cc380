using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.Tests;

public class VideoAlignmentMetricsTests
{
    private readonly MLContext _context = new(seed: 1);

    // 1, 2, 4, 9: mean 4, squares 9 + 4 + 0 + 25 = 38, s = sqrt(38 / 3) = 3.559026, t(0.975, 3) = 3.182446.
    [Test]
    public void MomentsAndIntervalAreTheTextbooks()
    {
        VideoAlignmentMetrics metrics = _context.EvaluateVideoAlignment(Table((1, 0), (2, 0), (4, 0), (9, 0)), "Score");
        Assert.That((metrics.Count, metrics.MeanScore, metrics.MinimumScore, metrics.MaximumScore), Is.EqualTo((4L, 4.0, 1.0, 9.0)));
        Assert.That(metrics.ScoreStandardDeviation, Is.EqualTo(3.559026).Within(1e-6));
        Assert.That(metrics.ConfidenceHalfWidth, Is.EqualTo(3.182446 * 3.559026 / 2).Within(0.02));
        Assert.That(metrics.Gain, Is.Null);
    }

    // Gains 1, 0, -1, 4: mean 1, s = sqrt(14 / 3); wins 1 + 0.5 + 0 + 1.
    [Test]
    public void TheGainIsPairedAndTiesCountHalf()
    {
        VideoAlignmentGain gain = _context.EvaluateVideoAlignment(Table((2, 1), (3, 3), (4, 5), (9, 5)), "Score", "Base").Gain!;
        Assert.That((gain.BaseMeanScore, gain.Mean, gain.WinRate), Is.EqualTo((3.5, 1.0, 0.625)));
        Assert.That(gain.ConfidenceHalfWidth, Is.EqualTo(3.182446 * Math.Sqrt(14.0 / 3) / 2).Within(0.02));
        Assert.That(_context.EvaluateVideoAlignment(Table((3, 3), (2, 2), (1, 1), (0, 1)), "Score", "Base").Gain!.WinRate, Is.EqualTo(0.375),
            "three ties, a loss");
    }

    // Tables of Student's t, two-sided 5 %.
    [TestCase(1, 12.7062)]
    [TestCase(2, 4.3027)]
    [TestCase(5, 2.5706)]
    [TestCase(10, 2.2281)]
    [TestCase(31, 2.0395)]
    [TestCase(1000, 1.9623)]
    public void TheQuantileIsStudents(long degrees, double expected) =>
        Assert.That(RunningMoments.StudentQuantile(degrees), Is.EqualTo(expected).Within(degrees < 7 ? 0.003 : 1e-4));

    [Test]
    public void OneVideoHasNoInterval()
    {
        VideoAlignmentMetrics metrics = _context.EvaluateVideoAlignment(Table((3, 0)), "Score");
        Assert.That((metrics.ScoreStandardDeviation, metrics.ConfidenceHalfWidth), Is.EqualTo((0.0, double.PositiveInfinity)));
    }

    [Test]
    public void LargeOffsetsLoseNoPrecision()
    {
        VideoAlignmentMetrics metrics = _context.EvaluateVideoAlignment(Table((1e6f, 0), (1e6f + 1, 0), (1e6f + 2, 0)), "Score");
        Assert.That(metrics.ScoreStandardDeviation, Is.EqualTo(1).Within(1e-9));
    }

    [Test]
    public void WhatCannotBeEvaluatedSaysWhy()
    {
        Assert.That(() => _context.EvaluateVideoAlignment(Table(), "Score"), Throws.InvalidOperationException.With.Message.Contains("nothing to evaluate"));
        Assert.That(() => _context.EvaluateVideoAlignment(Table((1, 0), (float.NaN, 0)), "Score"),
            Throws.InvalidOperationException.With.Message.Contains("NaN at row 1"));
        Assert.That(() => _context.EvaluateVideoAlignment(Table((1, 0)), "Missing"),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("'Missing'"));
        Assert.That(() => _context.EvaluateVideoAlignment(Table((1, 0)), "Score", "Name"),
            Throws.TypeOf<ArgumentOutOfRangeException>().With.Message.Contains("'Name'"));
    }

    [Test]
    public void ChainAndMetricsFitTogether()
    {
        var rig = new DoorRig();
        VideoAlignmentTransformer aligned = rig.Estimator().Fit(rig.Prompts);
        IDataView both = aligned.WithoutAlignment("BaseVideo").Transform(aligned.Transform(rig.Prompts));
        IDataView scored = rig.Context.Transforms.ScoreVideo("Score", "Video", rig.Reward)
            .Append(rig.Context.Transforms.ScoreVideo("Base", "BaseVideo", rig.Reward)).Fit(both).Transform(both);
        int before = rig.Model.Generations;
        VideoAlignmentMetrics metrics = rig.Context.EvaluateVideoAlignment(scored, "Score", "Base");
        Assert.That(rig.Model.Generations - before, Is.EqualTo(6), "two videos a row, in one pass");
        Assert.That(metrics.Gain!.Mean, Is.EqualTo(metrics.MeanScore - metrics.Gain.BaseMeanScore).Within(1e-6));
    }

    private IDataView Table(params (float Score, float Base)[] rows) =>
        _context.Data.LoadFromEnumerable(rows.Select(row => new { row.Score, row.Base, Name = "x" }));
}
