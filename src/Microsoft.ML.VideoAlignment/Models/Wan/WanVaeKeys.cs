using System.Globalization;
using Microsoft.ML.VideoAlignment.Weights;

namespace Microsoft.ML.VideoAlignment.Models.Wan;

/// <summary>How names in a file of the autoencoder become keys: diffusers' as they are, those of Wan's own files part by part.</summary>
internal static class WanVaeKeys
{
    /// <summary>Makes the map; which entry of a flat list a name is follows from the number of residual blocks.</summary>
    /// <param name="config">The autoencoder.</param>
    public static KeyMap CreateMap(WanVaeConfig config) => new() { Rename = name => Rename(name, config) };

    private static string Rename(string name, WanVaeConfig config)
    {
        string[] parts = name.Split('.');
        string? key = parts switch
        {
            ["conv1", .. var rest] => Join("quant_conv", rest),
            ["conv2", .. var rest] => Join("post_quant_conv", rest),
            ["encoder" or "decoder", "conv1", .. var rest] => Join($"{parts[0]}.conv_in", rest),
            ["encoder" or "decoder", "head", "0", .. var rest] => Join($"{parts[0]}.norm_out", rest),
            ["encoder" or "decoder", "head", "2", .. var rest] => Join($"{parts[0]}.conv_out", rest),
            ["encoder" or "decoder", "middle", "0", .. var rest] => Join($"{parts[0]}.mid_block.resnets.0", Block(rest)),
            ["encoder" or "decoder", "middle", "1", .. var rest] => Join($"{parts[0]}.mid_block.attentions.0", rest),
            ["encoder" or "decoder", "middle", "2", .. var rest] => Join($"{parts[0]}.mid_block.resnets.1", Block(rest)),
            ["encoder", "downsamples", var level, "downsamples", var number, .. var rest] =>
                Join($"encoder.down_blocks.{level}.{Entry(Number(number), config.ResBlocks, "downsampler")}", Block(rest)),
            ["encoder", "downsamples", var number, .. var rest] => Join($"encoder.down_blocks.{number}", Block(rest)),
            ["decoder", "upsamples", var level, "upsamples", var number, .. var rest] =>
                Join($"decoder.up_blocks.{level}.{Entry(Number(number), config.ResBlocks + 1, "upsampler")}", Block(rest)),
            ["decoder", "upsamples", var number, .. var rest] => Join(UpBlock(Number(number), config.ResBlocks + 1), Block(rest)),
            _ => null,
        };
        return key ?? name;
    }

    // An original list counts residual blocks and the change of size after them together.
    private static string UpBlock(int number, long resBlocks) =>
        $"decoder.up_blocks.{number / (resBlocks + 1)}.{Entry(number % (resBlocks + 1), resBlocks, "upsamplers.0")}";

    private static string Entry(long number, long resBlocks, string resampler) => number < resBlocks ? $"resnets.{number}" : resampler;

    private static string[] Block(string[] parts) => parts switch
    {
        ["residual", "0", .. var rest] => ["norm1", .. rest],
        ["residual", "2", .. var rest] => ["conv1", .. rest],
        ["residual", "3", .. var rest] => ["norm2", .. rest],
        ["residual", "6", .. var rest] => ["conv2", .. rest],
        ["shortcut", .. var rest] => ["conv_shortcut", .. rest],
        _ => parts,
    };

    // Other text gives a name that no module has, which the loader reports.
    private static int Number(string text) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : int.MaxValue;

    private static string Join(string start, string[] rest) => string.Join('.', [start, .. rest]);
}
