
using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment.MLNet;

/// <summary>Computes <see cref="VideoAlignmentMetrics"/> from score columns, which are read once, row by row.</summary>
internal static class VideoAlignmentEvaluator
{
    /// <summary>Evaluates scores.</summary>
    /// <param name="data">The table of scored videos.</param>
    /// <param name="scoreColumnName">The <see cref="float"/> column of scores.</param>
    /// <param name="baseScoreColumnName">The scores of the base model's videos for the same rows; null: no comparison.</param>
    /// <exception cref="ArgumentOutOfRangeException">A column is missing or of another type.</exception>
    /// <exception cref="InvalidOperationException">There are no rows, or a score is not finite.</exception>
    public static VideoAlignmentMetrics Evaluate(IDataView data, string scoreColumnName, string? baseScoreColumnName)
    {
        DataViewSchema.Column scoreColumn = InputColumns.FindScore(data.Schema, scoreColumnName);
        DataViewSchema.Column? baseColumn = baseScoreColumnName is null ? null : InputColumns.FindScore(data.Schema, baseScoreColumnName);
        (var scores, var bases, var gains, double wins) = (new RunningMoments(), new RunningMoments(), new RunningMoments(), 0.0);

        using DataViewRowCursor cursor = data.GetRowCursor(baseColumn is { } second ? [scoreColumn, second] : [scoreColumn]);
        Func<double> score = Reader(cursor, scoreColumn);
        Func<double>? baseScore = baseColumn is { } column ? Reader(cursor, column) : null;
        while (cursor.MoveNext())
        {
            double value = score();
            scores.Add(value);
            if (baseScore is not null)
            {
                double other = baseScore();
                bases.Add(other);
                gains.Add(value - other);
                wins += value > other ? 1 : value == other ? 0.5 : 0;
            }
        }

        if (scores.Count == 0)
        {
            throw new InvalidOperationException(
                $"There is nothing to evaluate: the table of column '{scoreColumnName}' has no rows. Check its source and its filters.");
        }

        return new VideoAlignmentMetrics
        {
            Count = scores.Count,
            MeanScore = scores.Mean,
            ScoreStandardDeviation = scores.StandardDeviation,
            ConfidenceHalfWidth = scores.ConfidenceHalfWidth,
            MinimumScore = scores.Minimum,
            MaximumScore = scores.Maximum,
            Gain = baseScore is null ? null : new VideoAlignmentGain
            {
                BaseMeanScore = bases.Mean,
                Mean = gains.Mean,
                ConfidenceHalfWidth = gains.ConfidenceHalfWidth,
                WinRate = wins / gains.Count,
            },
        };
    }

    private static Func<double> Reader(DataViewRowCursor cursor, DataViewSchema.Column column)
    {
        ValueGetter<float> getter = cursor.GetGetter<float>(column);
        return () =>
        {
            float value = 0;
            getter(ref value);
            return float.IsFinite(value)
                ? value
                : throw new InvalidOperationException(
                    $"Column '{column.Name}' must have finite scores, got {value} at row {cursor.Position}. "
                    + "Find out why that video has no score, or filter the row.");
        };
    }
}
