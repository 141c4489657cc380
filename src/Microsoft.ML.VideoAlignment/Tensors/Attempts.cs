namespace Microsoft.ML.VideoAlignment.Tensors;

/// <summary>Work of which every part is tried.</summary>
internal static class Attempts
{
    /// <summary>Does all parts, the rest too where one fails.</summary>
    /// <param name="parts">The parts, in order.</param>
    /// <exception cref="AggregateException">Some parts failed.</exception>
    public static void RunAll(IEnumerable<Action> parts)
    {
        var failures = new List<Exception>();
        foreach (Action part in parts)
        {
            try
            {
                part();
            }
            catch (Exception failure)
            {
                failures.Add(failure);
            }
        }

        if (failures.Count > 0)
        {
            throw new AggregateException(failures).Flatten();
        }
    }
}
