namespace ProveGradients;

/// <summary>One thing that varies between cases.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Values">What it can be.</param>
internal sealed record Axis(string Name, params IReadOnlyList<string> Values);

/// <summary>Chooses few cases that together have every pair of values of any two axes, instead of the product of all axes.</summary>
internal static class Covering
{
    /// <summary>Lists every possible case of the product.</summary>
    /// <param name="axes">What varies.</param>
    /// <param name="possible">Whether a case can be.</param>
    /// <returns>Cases: for each axis the index of its value.</returns>
    public static IEnumerable<int[]> Product(IReadOnlyList<Axis> axes, Func<int[], bool> possible)
    {
        int[] at = new int[axes.Count];
        while (true)
        {
            if (possible(at))
            {
                yield return [.. at];
            }

            int axis = axes.Count - 1;
            while (axis >= 0 && ++at[axis] == axes[axis].Values.Count)
            {
                at[axis--] = 0;
            }

            if (axis < 0)
            {
                yield break;
            }
        }
    }

    /// <summary>Chooses cases that have every value, and every pair of values of the axes that are to be paired, as far as they can be.</summary>
    /// <param name="axes">What varies.</param>
    /// <param name="possible">Whether a case, in which axes that are not decided are -1, can become a possible one.</param>
    /// <param name="paired">Whether the values of two axes, given by name, are to be paired.</param>
    /// <param name="together">Names of axes of which every combination of values is wanted, not only every pair.</param>
    /// <returns>Cases: for each axis the index of its value.</returns>
    public static IReadOnlyList<int[]> Choose(
        IReadOnlyList<Axis> axes, Func<int[], bool> possible, Func<string, string, bool> paired, params IReadOnlyList<string> together)
    {
        List<(int Axis, int Value)[]> wanted = [.. Combinations(axes, together), .. Pairs(axes, paired), .. Singles(axes)];
        var cases = new List<int[]>();
        while (wanted.Count > 0)
        {
            int[] begun = [.. axes.Select(_ => -1)];
            foreach ((int axis, int value) in wanted[0])
            {
                begun[axis] = value;
            }

            if (!possible(begun) || Completed(begun, axes, possible, wanted, cases) is not { } whole)
            {
                wanted.RemoveAt(0);
                continue;
            }

            cases.Add(whole);
            wanted.RemoveAll(unit => Has(whole, unit));
        }

        return cases;
    }

    private static IEnumerable<(int Axis, int Value)[]> Singles(IReadOnlyList<Axis> axes) =>
        axes.SelectMany((axis, index) => axis.Values.Select((_, value) => new[] { (index, value) }));

    private static IEnumerable<(int Axis, int Value)[]> Combinations(IReadOnlyList<Axis> axes, IReadOnlyList<string> together)
    {
        int[] at = [.. axes.Index().Where(axis => together.Contains(axis.Item.Name)).Select(axis => axis.Index)];
        return at.Length == 0
            ? []
            : Product([.. at.Select(axis => axes[axis])], _ => true).Select(values => values.Select((value, index) => (at[index], value)).ToArray());
    }

    private static IEnumerable<(int Axis, int Value)[]> Pairs(IReadOnlyList<Axis> axes, Func<string, string, bool> paired)
    {
        for (int a = 0; a < axes.Count; a++)
        {
            for (int b = a + 1; b < axes.Count; b++)
            {
                for (int v = 0; paired(axes[a].Name, axes[b].Name) && v < axes[a].Values.Count; v++)
                {
                    for (int w = 0; w < axes[b].Values.Count; w++)
                    {
                        yield return [(a, v), (b, w)];
                    }
                }
            }
        }
    }

    // Each open axis gets the value that brings most of what is wanted; of equals the one that was used least.
    private static int[]? Completed(int[] begun, IReadOnlyList<Axis> axes, Func<int[], bool> possible, List<(int Axis, int Value)[]> wanted, List<int[]> cases)
    {
        int[] whole = [.. begun];
        for (int axis = 0; axis < axes.Count; axis++)
        {
            if (whole[axis] >= 0)
            {
                continue;
            }

            (int Brings, int Used, int Value) best = (-1, 0, -1);
            for (int value = 0; value < axes[axis].Values.Count; value++)
            {
                whole[axis] = value;
                (int brings, int used) = (wanted.Count(unit => Has(whole, unit)), cases.Count(made => made[axis] == value));
                if (possible(whole) && (brings > best.Brings || (brings == best.Brings && used < best.Used)))
                {
                    best = (brings, used, value);
                }
            }

            if (best.Value < 0)
            {
                return null;
            }

            whole[axis] = best.Value;
        }

        return whole;
    }

    private static bool Has(int[] made, (int Axis, int Value)[] unit) => Array.TrueForAll(unit, part => made[part.Axis] == part.Value);
}
