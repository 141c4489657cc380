using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>A reward that the comparison shows.</summary>
/// <param name="Name">Its name in tables.</param>
/// <param name="Key">Its key in the run card.</param>
/// <param name="Reward">The reward; null: it is not known for this model, and the run card says null.</param>
/// <param name="Weight">Its weight in the training reward, which is the weighted sum of the measures.</param>
internal sealed record Measure(string Name, string Key, VideoReward? Reward, float Weight = 0);
