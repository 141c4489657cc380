using Microsoft.ML.VideoAlignment.Encoders;

namespace Microsoft.ML.VideoAlignment.Models;

/// <summary>A CLIP tokenizer without files, for models with random weights: bytes, and merges that make one token of each common word of a small world.</summary>
internal static class UntrainedTokenizer
{
    private const int MaxLength = 20;

    /// <summary>Merges in order; "_" ends a word.</summary>
    private const string Merges =
        """
        g r, i n, a r, c l, in g_, l l_, v i, a n, a n_, an g, e d_, g h, gh t_, gr o, i ght_, l e_, r ed_, s t, a c, a ll_, a y, a y_, ac k,
        ack gro, ackgro u, ackgrou n, ackgroun d_, ang e_, ang le_, ar e_, ar g, ar k_, arg e_, ay ing_, b ackground_, b l, bl u, blu e_, c i, c r,
        c y, ci r, cir cl, circl e_, cl e, cl u, cle an_, clu t, clut t, clutt e, clutte red_, cr o, cro s, cros s_, cy an_, d ark_, d e, d o, d u,
        de o_, do w, dow n_, du ll_, e e, e f, e l, ee n_, ef t_, el l, ell o, ello w_, gr ay_, gr een_, gro w, grow ing_, i angle_, i ll_, i s_,
        in k_, l arge_, l eft_, l ight_, m all_, m o, mo v, mov ing_, o f_, o n_, o r, or ange_, p ink_, p le_, p u, pu r, pur ple_, q u, qu are_,
        r iangle_, r ight_, s mall_, s quare_, st aying_, st ill_, t riangle_, u p_, vi d_, vi deo_, vi vid_, y ellow_
        """;

    /// <summary>Makes the tokenizer, of at most 20 tokens a text.</summary>
    public static ClipTokenizer Create()
    {
        var options = new ClipTokenizerOptions { MaxLength = MaxLength };
        string[] merges = [.. Merges.Split([", ", ",\n"], StringSplitOptions.None).Select(merge => merge.Replace("_", "</w>", StringComparison.Ordinal))];
        return new ClipTokenizer(BpeVocabulary.FromMerges(merges, options.StartToken, options.EndToken), options);
    }
}
