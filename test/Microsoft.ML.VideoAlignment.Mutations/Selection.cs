namespace Microsoft.ML.VideoAlignment.Mutations;

/// <summary>Draws faults so that rooms, files and kinds all get their share; the same seed draws the same faults from the same code.</summary>
internal static class Selection
{
    /// <summary>At most so many faults of one room.</summary>
    /// <param name="sites">All of the room.</param>
    /// <param name="count">How many are wanted.</param>
    /// <param name="seed">Draws them.</param>
    public static IReadOnlyList<FaultSite> Draw(IEnumerable<FaultSite> sites, int count, int seed)
    {
        List<Queue<FaultSite>> files =
        [
            .. sites.GroupBy(site => site.Fault.File).OrderBy(file => file.Min(site => site.Fault.Draw(seed)), StringComparer.Ordinal)
                .Select(file => new Queue<FaultSite>(InTurn(file, site => site.Fault.Kind, seed))),
        ];

        // Long files have more of what can go wrong: one fault a turn, and one more for each forty that are possible.
        List<int> turns = [.. files.Select(file => 1 + (file.Count / 40))];
        var chosen = new List<FaultSite>();
        while (chosen.Count < count && files.Any(file => file.Count > 0))
        {
            for (int file = 0; file < files.Count; file++)
            {
                for (int turn = 0; turn < turns[file] && chosen.Count < count && files[file].TryDequeue(out FaultSite? site); turn++)
                {
                    chosen.Add(site);
                }
            }
        }

        return chosen;
    }

    /// <summary>One of each group in turn; within a group in the drawn order.</summary>
    private static IEnumerable<FaultSite> InTurn(IEnumerable<FaultSite> sites, Func<FaultSite, string> group, int seed) => sites
        .GroupBy(group)
        .SelectMany(members => members.OrderBy(site => site.Fault.Draw(seed), StringComparer.Ordinal).Select((site, round) => (site, round)))
        .OrderBy(pair => pair.round).ThenBy(pair => pair.site.Fault.Draw(seed), StringComparer.Ordinal)
        .Select(pair => pair.site);
}
