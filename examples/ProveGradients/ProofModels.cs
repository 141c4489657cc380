using Microsoft.ML.VideoAlignment;

namespace ProveGradients;

/// <summary>A small untrained model of each family, made once.</summary>
internal sealed class ProofModels : IDisposable
{
    private readonly Dictionary<string, VideoDiffusionModel> _made = [];

    /// <summary>Gets a family's model, which stays this object's.</summary>
    /// <param name="family">The family.</param>
    public VideoDiffusionModel this[string family] =>
        _made.TryGetValue(family, out VideoDiffusionModel? model) ? model : _made[family] = VideoDiffusionModel.Untrained(family);

    public void Dispose()
    {
        foreach (VideoDiffusionModel model in _made.Values)
        {
            model.Dispose();
        }
    }
}
