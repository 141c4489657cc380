namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>The reward of unseen prompts at one moment of a run.</summary>
/// <param name="Queries">Videos of training scored until then.</param>
/// <param name="Seconds">Time of training until then, measurements taken out.</param>
/// <param name="CpuSeconds">The same of the process's CPU time: the fairer clock on a machine that others use.</param>
/// <param name="Reward">Mean over the unseen prompts.</param>
internal readonly record struct CurvePoint(int Queries, double Seconds, double CpuSeconds, double Reward)
{
    /// <summary>The reward at a place on an axis, on the straight line between its neighbors; beyond the last point the last.</summary>
    public static double At(IReadOnlyList<CurvePoint> curve, Func<CurvePoint, double> axis, double place)
    {
        int after = 0;
        while (after < curve.Count && axis(curve[after]) < place)
        {
            after++;
        }

        if (after == 0 || after == curve.Count)
        {
            return curve[after == 0 ? 0 : ^1].Reward;
        }

        (CurvePoint a, CurvePoint b) = (curve[after - 1], curve[after]);
        return a.Reward + ((b.Reward - a.Reward) * (place - axis(a)) / (axis(b) - axis(a)));
    }

    /// <summary>The first place on an axis at which the curve, straight between its points, is at a level; null: never.</summary>
    public static double? Reaches(IReadOnlyList<CurvePoint> curve, Func<CurvePoint, double> axis, double level)
    {
        for (int i = 0; i < curve.Count; i++)
        {
            if (curve[i].Reward >= level)
            {
                return i == 0 ? axis(curve[0])
                    : axis(curve[i - 1]) + ((axis(curve[i]) - axis(curve[i - 1])) * (level - curve[i - 1].Reward) / (curve[i].Reward - curve[i - 1].Reward));
            }
        }

        return null;
    }
}
