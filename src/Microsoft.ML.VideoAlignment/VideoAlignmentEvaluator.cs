using Microsoft.ML.VideoAlignment.DataViews;

using Microsoft.ML.VideoAlignment.Tensors;

namespace Microsoft.ML.VideoAlignment;

/// <summary>Reads score columns once, row by row.</summary>
internal static class VideoAlignmentEvaluator
{
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
            throw new InvalidOperationException($"There is nothing to evaluate: column '{scoreColumnName}' belongs to a table without rows.");
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
                : throw new InvalidOperationException($"Column '{column.Name}' holds {value} at row {cursor.Position}: a mean over it would mean nothing.");
        };
    }
}
