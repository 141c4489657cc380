namespace Microsoft.ML.VideoAlignment.Paper;

/// <summary>How many queries VADER needs for nine tenths of its own gain, and how many DDPO needs for the same level.</summary>
internal static class Efficiency
{
    private const double Share = 0.9, Asked = 10;

    /// <param name="page">Where the claim goes.</param>
    /// <param name="contest">The runs of Table 1.</param>
    /// <param name="reward">Of which reward.</param>
    /// <param name="longer">Longer runs of DDPO, if there are any.</param>
    public static void Claim(Page page, MethodComparison contest, string reward, Sample? longer = null)
    {
        (Sample vader, Sample ddpo) = (contest[Methods.Vader, reward], longer is { IsEmpty: false } ? longer : contest[Methods.Ddpo, reward]);
        if (vader.IsEmpty || ddpo.IsEmpty)
        {
            return;
        }

        double start = vader.Mean[0].Reward, level = start + (Share * (vader.Mean[^1].Reward - start));
        double? ours = vader.Mean[^1].Reward > start ? vader.Reaches(Sample.Queries, level) : null;
        double? theirs = ddpo.Reaches(Sample.Queries, level);
        int most = ddpo.Mean[^1].Queries;
        if (ours is not { } queries)
        {
            page.Claim(false, $"VADER gains on the {reward} reward of unseen prompts: it does not, so its queries cannot be compared with DDPO's.");
        }
        else if (theirs is { } others)
        {
            page.Claim(others >= Asked * queries, $"nine tenths of VADER's gain in {reward} ({level:0.000}) cost VADER {queries:0} queries, at most a tenth "
                + $"of the {others:0} that DDPO needs: {others / queries:0.0} times as many.");
        }
        else
        {
            double reached = (ddpo.Mean[^1].Reward - start) / (vader.Mean[^1].Reward - start);
            page.Claim(
                most >= Asked * queries ? true : null,
                $"nine tenths of VADER's gain in {reward} ({level:0.000}) cost VADER {queries:0} queries, at most a tenth of what DDPO needs: with {most} "
                    + $"queries, {most / queries:0.0} times as many, DDPO has not reached that level; it has {reached * 100:0} % of VADER's gain.");
        }
    }
}
