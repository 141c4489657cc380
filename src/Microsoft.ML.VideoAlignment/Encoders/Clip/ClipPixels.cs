namespace Microsoft.ML.VideoAlignment.Encoders;

/// <summary>Channel mean and standard deviation of CLIP's training images, R, G, B (openai/CLIP, clip.py).</summary>
internal static class ClipPixels
{
    public static (float R, float G, float B) Mean { get; } = (0.48145466f, 0.4578275f, 0.40821073f);

    public static (float R, float G, float B) Std { get; } = (0.26862954f, 0.26130258f, 0.27577711f);
}
