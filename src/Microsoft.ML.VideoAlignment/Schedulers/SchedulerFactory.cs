using System.Text.Json;

namespace Microsoft.ML.VideoAlignment.Schedulers;

/// <summary>Samplers by the class name that a scheduler_config.json gives.</summary>
internal static class SchedulerFactory
{
    private static readonly Dictionary<string, Func<JsonElement, IScheduler>> s_classes = new(StringComparer.Ordinal)
    {
        ["DDIMScheduler"] = DdimScheduler.FromConfig,
        ["DPMSolverMultistepScheduler"] = DpmSolverMultistepScheduler.FromConfig,
        ["EulerDiscreteScheduler"] = EulerDiscreteScheduler.FromConfig,
    };

    /// <summary>The class names known here.</summary>
    public static IReadOnlyCollection<string> Names => s_classes.Keys;

    /// <summary>
    /// The sampler that the configuration names, or <paramref name="className"/> made from the same keys. Swapping takes the file's keys only: an absent
    /// key has the new class's default, so DDIM's file without timestep_spacing is leading as DDIM and linspace as DPM-Solver.
    /// </summary>
    /// <exception cref="NotSupportedException">Another class.</exception>
    public static IScheduler FromConfig(JsonElement json, string? className = null)
    {
        string? name = className ?? (json.ValueKind == JsonValueKind.Object && json.TryGetProperty("_class_name", out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null);
        return name is not null && s_classes.TryGetValue(name, out Func<JsonElement, IScheduler>? create)
            ? create(json)
            : throw new NotSupportedException($"The sampler '{name ?? "(no _class_name in the file)"}' is not one of {string.Join(", ", Names)}; ask for one of those by name, made from the same file.");
    }

    /// <summary>As <see cref="FromConfig"/>, from a scheduler_config.json.</summary>
    public static IScheduler FromFile(string path, string? className = null) => FromConfig(SchedulerConfig.ReadFile(path), className);
}
