using Microsoft.ML.VideoAlignment;

namespace Examples;

/// <summary>A reward that the comparison shows.</summary>
/// <param name="Name">As tables have it.</param>
/// <param name="Key">As the run card has it.</param>
/// <param name="Reward">Null where the base model has none such: the run card says null.</param>
/// <param name="Weight">Its weight in what is trained on: the training reward is the weighted sum of the measures.</param>
internal sealed record Measure(string Name, string Key, VideoReward? Reward, float Weight = 0);
