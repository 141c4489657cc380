namespace Microsoft.ML.VideoAlignment.Benchmarks;

/// <summary>
/// Multiplications and additions of products and convolutions, counted by hand from the configuration; norms, activations and interpolation are left out.
/// A backward pass to activations through frozen weights costs as much as the forward pass again.
/// </summary>
internal static class Flops
{
    /// <summary>One guided denoiser call: both branches, batch 2. 274 GFLOP at the middle size; the reference, which projects the text once a frame, does 279.</summary>
    public static double Denoiser(ModelSize size)
    {
        IReadOnlyList<long> widths = size.UNet.BlockOutChannels;
        long layers = size.UNet.LayersPerBlock;
        double total = 0;
        (double frames, double pixels) = (size.Latents[2], size.Latents[3] * size.Latents[4]);
        double Tokens(double p) => 2 * frames * p;
        double Spatial(double c, double p) => Tokens(p) * ((4 * c * c) + Block(c, p) + (4 * c * c) + (4 * size.Tokens * c)) + (2 * size.Tokens * 4 * size.UNet.CrossAttentionWidth * c);
        double Temporal(double c, double p, double inner) => Tokens(p) * ((4 * c * inner) + Block(inner, frames) + (8 * inner * inner) + (4 * frames * inner));
        double Resnet(double from, double to, double p) => Tokens(p) * ((18 * from * to) + (18 * to * to) + (from == to ? 0 : 2 * from * to));
        double TemporalConvolutions(double c, double p) => Tokens(p) * 4 * 6 * c * c;
        double Layer(double from, double to, double p, bool attention) =>
            Resnet(from, to, p) + TemporalConvolutions(to, p) + (attention ? Spatial(to, p) + Temporal(to, p, to) : 0);

        total += Tokens(pixels) * 18 * size.UNet.InChannels * widths[0];
        total += Temporal(widths[0], pixels, 8 * size.UNet.HeadSize);
        var skips = new Stack<double>([widths[0]]);
        double channels = widths[0], area = pixels;
        for (int level = 0; level < widths.Count; level++)
        {
            bool attention = size.UNet.DownBlockTypes[level].StartsWith("Cross", StringComparison.Ordinal);
            for (long layer = 0; layer < layers; layer++)
            {
                total += Layer(channels, widths[level], area, attention);
                channels = widths[level];
                skips.Push(channels);
            }

            if (level < widths.Count - 1)
            {
                area /= 4;
                total += Tokens(area) * 18 * channels * channels;
                skips.Push(channels);
            }
        }

        total += Layer(channels, channels, area, attention: true) + Resnet(channels, channels, area) + TemporalConvolutions(channels, area);
        for (int level = widths.Count - 1; level >= 0; level--)
        {
            bool attention = size.UNet.UpBlockTypes[widths.Count - 1 - level].StartsWith("Cross", StringComparison.Ordinal);
            for (long layer = 0; layer <= layers; layer++)
            {
                total += Layer(channels + skips.Pop(), widths[level], area, attention);
                channels = widths[level];
            }

            if (level > 0)
            {
                area *= 4;
                total += Tokens(area) * 18 * channels * channels;
            }
        }

        return total + (Tokens(pixels) * 18 * channels * size.UNet.OutChannels);
    }

    /// <summary>One frame through the decoder.</summary>
    public static double Decoder(ModelSize size)
    {
        IReadOnlyList<long> widths = size.Vae.BlockOutChannels;
        double area = size.Latents[3] * size.Latents[4], channels = widths[^1];
        double Resnet(double from, double to) => area * ((18 * from * to) + (18 * to * to) + (from == to ? 0 : 2 * from * to));
        double total = area * ((2 * size.Vae.LatentChannels * size.Vae.LatentChannels) + (18 * size.Vae.LatentChannels * channels));
        total += (2 * Resnet(channels, channels)) + (area * ((8 * channels * channels) + (4 * area * channels)));
        for (int level = widths.Count - 1; level >= 0; level--)
        {
            for (long layer = 0; layer <= size.Vae.LayersPerBlock; layer++)
            {
                total += Resnet(channels, widths[level]);
                channels = widths[level];
            }

            if (level > 0)
            {
                area *= 4;
                total += area * 18 * channels * channels;
            }
        }

        return total + (area * 18 * channels * size.Vae.OutChannels);
    }

    /// <summary>Per token: self-attention over <paramref name="length"/> tokens, query and output of the second attention, gated feed-forward of width 4.</summary>
    private static double Block(double c, double length) => (8 * c * c) + (4 * length * c) + (24 * c * c);
}
